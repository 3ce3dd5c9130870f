package io.pbsattn.util;

import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** What is a number and what is not, and what is said of it. */
public class DjlArgumentsTest {

    private static final String NUMBER = "a number";

    @Test
    public void textsAndNumbersAreRead() {
        Assert.assertEquals(DjlArguments.number("k", NUMBER, "-1.5e2"), -150.0);
        Assert.assertEquals(DjlArguments.number("k", NUMBER, 0.25f), 0.25);
        Assert.assertEquals(DjlArguments.integer("k", NUMBER, "4096"), 4096);
        Assert.assertEquals(DjlArguments.integer("k", NUMBER, 4096.0), 4096);
        Assert.assertEquals(
                DjlArguments.integer("k", NUMBER, Integer.MIN_VALUE), Integer.MIN_VALUE);
        Assert.assertEquals(DjlArguments.wholeNumber("k", NUMBER, 1e15), 1_000_000_000_000_000L);
        Assert.assertEquals(DjlArguments.wholeNumber("k", NUMBER, Long.MAX_VALUE), Long.MAX_VALUE);
        Assert.assertTrue(DjlArguments.flag("k", true));
        Assert.assertFalse(DjlArguments.flag("k", "false"));
    }

    @DataProvider
    public Object[][] wrong() {
        return new Object[][] {
            {null}, {""}, {"many"}, {"1 2"}, {"NaN"}, {"Infinity"}, {Double.NEGATIVE_INFINITY}
        };
    }

    @Test(dataProvider = "wrong")
    public void otherIsRefused(Object value) {
        String found = ", found '" + value + "'";
        refused("k: expected a number" + found, () -> DjlArguments.number("k", NUMBER, value));
        refused("k: expected tokens" + found, () -> DjlArguments.integer("k", "tokens", value));
        refused("k: expected any" + found, () -> DjlArguments.wholeNumber("k", "any", value));
        refused("k: expected true or false" + found, () -> DjlArguments.flag("k", value));
    }

    @Test
    public void nothingIsRoundedOrCut() {
        String[] noIntegers = {"1.5", "2147483648", "-2147483649", "3e9", "9223372036854775808"};
        for (String value : noIntegers) {
            refused(
                    "k: expected a number, found '" + value + "'",
                    () -> DjlArguments.integer("k", NUMBER, value));
        }
        for (String value : new String[] {"0.5", "1e17", "9223372036854775808"}) {
            refused(
                    "k: expected a number, found '" + value + "'",
                    () -> DjlArguments.wholeNumber("k", NUMBER, value));
        }
    }

    private static void refused(String message, Assert.ThrowingRunnable call) {
        IllegalArgumentException e = Assert.expectThrows(IllegalArgumentException.class, call);
        Assert.assertEquals(e.getMessage(), message);
    }
}

package io.pbsattn.zoo.text;

import java.util.List;
import java.util.Random;
import org.testng.Assert;
import org.testng.annotations.Test;

public class StopStringsTest {

    @Test
    public void holdsBackWhatMayBeTheBeginning() {
        StopStrings stops = new StopStrings(List.of("END.", "\n\n"));
        Assert.assertEquals(stops.accept("one E"), "one ");
        Assert.assertEquals(stops.accept("N"), "");
        Assert.assertEquals(stops.accept("X\n"), "ENX");
        Assert.assertEquals(stops.accept("E"), "\n");
        Assert.assertEquals(stops.accept("ND"), "");
        Assert.assertFalse(stops.found());
        Assert.assertEquals(stops.accept(". more"), "");
        Assert.assertTrue(stops.found());
        Assert.assertEquals(stops.accept("END."), "");
        Assert.assertEquals(stops.finish(), "");
    }

    @Test
    public void whatWasHeldBackGoesOutAtTheEnd() {
        StopStrings stops = new StopStrings(List.of("aab"));
        Assert.assertEquals(stops.accept("xaaa"), "xa");
        Assert.assertEquals(stops.finish(), "aa");
        Assert.assertFalse(stops.found());
        StopStrings none = new StopStrings(List.of());
        Assert.assertEquals(none.accept("text"), "text");
        Assert.assertEquals(none.finish(), "");
    }

    @Test
    public void firstToBeCompleteEndsAndOfSeveralTheLongest() {
        Assert.assertEquals(cut("x abcd", "abcd", "bc"), "x a");
        Assert.assertEquals(cut("x abc", "bc", "abc", "c"), "x ");
    }

    /**
     * However the text is cut into pieces, what goes out is what a look at the whole text gives.
     */
    @Test
    public void piecesDoNotMatter() {
        Random random = new Random(5);
        for (int n = 0; n < 20_000; ++n) {
            String[] stops = new String[1 + random.nextInt(3)];
            for (int s = 0; s < stops.length; ++s) {
                stops[s] = letters(random, 1 + random.nextInt(4));
            }
            String text = letters(random, random.nextInt(14));
            StopStrings watch = new StopStrings(List.of(stops));
            StringBuilder out = new StringBuilder();
            for (int at = 0; at < text.length(); ) {
                int end = Math.min(text.length(), at + 1 + random.nextInt(4));
                out.append(watch.accept(text.substring(at, end)));
                // Nothing that has gone out is taken back.
                Assert.assertTrue(cut(text, stops).startsWith(out.toString()));
                at = end;
            }
            out.append(watch.finish());
            Assert.assertEquals(out.toString(), cut(text, stops), text + List.of(stops));
            Assert.assertEquals(watch.found(), out.length() < text.length());
        }
    }

    /** The same, character by character over the whole text. */
    private static String cut(String text, String... stops) {
        for (int end = 1; end <= text.length(); ++end) {
            String longest = "";
            for (String stop : stops) {
                if (text.substring(0, end).endsWith(stop) && stop.length() > longest.length()) {
                    longest = stop;
                }
            }
            if (!longest.isEmpty()) {
                return text.substring(0, end - longest.length());
            }
        }
        return text;
    }

    private static String letters(Random random, int length) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; ++i) {
            text.append((char) ('a' + random.nextInt(2)));
        }
        return text.toString();
    }
}

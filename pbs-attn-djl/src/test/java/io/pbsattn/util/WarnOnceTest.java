package io.pbsattn.util;

import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.testng.Assert;
import org.testng.annotations.Test;

public class WarnOnceTest {

    /** Another length is no other reason; another word is one. */
    @Test
    public void eachReasonIsSaidOnce() {
        List<String> said = new ArrayList<>();
        Logger logger =
                (Logger)
                        Proxy.newProxyInstance(
                                Logger.class.getClassLoader(),
                                new Class<?>[] {Logger.class},
                                (proxy, method, arguments) -> {
                                    Assert.assertEquals(method.getName(), "warn");
                                    said.add(String.valueOf(arguments[1]));
                                    return null;
                                });
        WarnOnce.warn(logger, "WarnOnceTest: 12 keys, at most 8; take fewer");
        WarnOnce.warn(logger, "WarnOnceTest: 12 keys, at most 8; take fewer");
        WarnOnce.warn(logger, "WarnOnceTest: 999 keys, at most 8; take fewer");
        WarnOnce.warn(logger, "WarnOnceTest: 12 heads, at most 8; take fewer");
        Assert.assertEquals(
                said,
                List.of(
                        "WarnOnceTest: 12 keys, at most 8; take fewer",
                        "WarnOnceTest: 12 heads, at most 8; take fewer"));
    }
}

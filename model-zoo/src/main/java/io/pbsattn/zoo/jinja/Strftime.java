package io.pbsattn.zoo.jinja;

import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;

/** Python's {@code strftime} in the C locale. */
final class Strftime {

    private static final Map<Character, String> PATTERNS =
            Map.ofEntries(
                    Map.entry('a', "EEE"),
                    Map.entry('A', "EEEE"),
                    Map.entry('b', "MMM"),
                    Map.entry('B', "MMMM"),
                    Map.entry('d', "dd"),
                    Map.entry('H', "HH"),
                    Map.entry('I', "hh"),
                    Map.entry('j', "DDD"),
                    Map.entry('m', "MM"),
                    Map.entry('M', "mm"),
                    Map.entry('p', "a"),
                    Map.entry('S', "ss"),
                    Map.entry('f', "SSSSSS"),
                    Map.entry('y', "yy"),
                    Map.entry('Y', "yyyy"),
                    Map.entry('F', "yyyy-MM-dd"),
                    Map.entry('T', "HH:mm:ss"),
                    Map.entry('D', "MM/dd/yy"),
                    Map.entry('R', "HH:mm"));

    private Strftime() {}

    static String format(ZonedDateTime time, String format) {
        StringBuilder result = new StringBuilder();
        for (int i = 0; i < format.length(); ++i) {
            char c = format.charAt(i);
            if (c != '%') {
                result.append(c);
                continue;
            }
            ++i;
            boolean unpadded = i < format.length() && format.charAt(i) == '-';
            i += unpadded ? 1 : 0;
            char directive = i < format.length() ? format.charAt(i) : ' ';
            if (directive == '%') {
                result.append('%');
                continue;
            }
            String pattern = PATTERNS.get(directive);
            if (pattern == null) {
                throw new JinjaException(
                        "strftime_now: unknown directive '%" + directive + "' in '" + format + "'");
            }
            String text = DateTimeFormatter.ofPattern(pattern, Locale.US).format(time);
            result.append(unpadded ? text.replaceFirst("^0+(?=\\d)", "") : text);
        }
        return result.toString();
    }
}

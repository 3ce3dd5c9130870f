package io.pbsattn.zoo.jinja;

import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Python's {@code strftime} in the C locale. */
final class Strftime {

    private static final Map<String, String> PATTERNS =
            Map.ofEntries(
                    Map.entry("a", "EEE"),
                    Map.entry("A", "EEEE"),
                    Map.entry("b", "MMM"),
                    Map.entry("B", "MMMM"),
                    Map.entry("d", "dd"),
                    Map.entry("H", "HH"),
                    Map.entry("I", "hh"),
                    Map.entry("j", "DDD"),
                    Map.entry("m", "MM"),
                    Map.entry("M", "mm"),
                    Map.entry("p", "a"),
                    Map.entry("S", "ss"),
                    Map.entry("f", "SSSSSS"),
                    Map.entry("y", "yy"),
                    Map.entry("Y", "yyyy"),
                    Map.entry("F", "yyyy-MM-dd"),
                    Map.entry("T", "HH:mm:ss"),
                    Map.entry("D", "MM/dd/yy"),
                    Map.entry("R", "HH:mm"));

    /** A percent sign, perhaps a hyphen for no padding, and a letter. */
    private static final Pattern DIRECTIVE = Pattern.compile("%(-?)(.?)", Pattern.DOTALL);

    private Strftime() {}

    static String format(ZonedDateTime time, String format) {
        StringBuilder result = new StringBuilder();
        Matcher directives = DIRECTIVE.matcher(format);
        while (directives.find()) {
            directives.appendReplacement(result, Matcher.quoteReplacement(value(time, directives)));
        }
        return directives.appendTail(result).toString();
    }

    private static String value(ZonedDateTime time, MatchResult directive) {
        if (directive.group().equals("%%")) {
            return "%";
        }
        String pattern = PATTERNS.get(directive.group(2));
        if (pattern == null) {
            throw new JinjaException("strftime_now: unknown directive '" + directive.group() + "'");
        }
        String text = DateTimeFormatter.ofPattern(pattern, Locale.US).format(time);
        return directive.group(1).isEmpty() ? text : text.replaceFirst("^0+(?=\\d)", "");
    }
}

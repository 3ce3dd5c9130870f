package io.pbsattn.zoo.jinja;

import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoField;
import java.time.temporal.IsoFields;
import java.util.Locale;

/**
 * Python's {@code strftime} of a date without a time zone, in the C locale and with the flags and
 * widths of the GNU C library.
 */
final class Strftime {

    private static final String FLAGS = "-_0^#";
    private static final String NUMBERS = "CdegGHIjklmMsSuUVwWyY";

    /** Those with blanks in front, the others have zeros. */
    private static final String BLANK_NUMBERS = "ekl";

    private final ZonedDateTime time;
    private final TextBuilder out;

    private Strftime(ZonedDateTime time, Budget budget) {
        this.time = time;
        out = new TextBuilder(budget);
    }

    static String format(ZonedDateTime time, String format, Budget budget) {
        return new Strftime(time, budget).format(format);
    }

    private String format(String format) {
        for (int at = 0; at < format.length(); ) {
            int end = format.charAt(at) == '%' ? directiveEnd(format, at) : -1;
            if (end < 0) {
                out.append(format, at, at + 1);
                ++at;
            } else {
                directive(format.substring(at + 1, end));
                at = end;
            }
        }
        return out.toString();
    }

    /** Where the directive at an index ends, or -1 if there is none. */
    private static int directiveEnd(String format, int start) {
        int end = start + 1;
        while (end < format.length() && FLAGS.indexOf(format.charAt(end)) >= 0) {
            ++end;
        }
        while (end < format.length() && Character.isDigit(format.charAt(end))) {
            ++end;
        }
        return end < format.length() && end - start < 12 && isKnown(format, start, end)
                ? end + 1
                : -1;
    }

    /** Python's own three directives have no flags. */
    private static boolean isKnown(String format, int start, int end) {
        char letter = format.charAt(end);
        boolean isPlain = end == start + 1;
        return "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%".indexOf(letter) >= 0
                || (isPlain && letter == 'f');
    }

    /** Writes what a directive stands for: flags, a width and a letter. */
    private void directive(String directive) {
        char letter = directive.charAt(directive.length() - 1);
        String flags = directive.replaceAll("[^-_0^#].*", "");
        String width = directive.substring(flags.length(), directive.length() - 1);
        boolean isNumber = NUMBERS.indexOf(letter) >= 0;
        String text = value(letter);
        char padding = isNumber && BLANK_NUMBERS.indexOf(letter) < 0 ? '0' : '_';
        for (int i = 0; i < flags.length(); ++i) {
            char flag = flags.charAt(i);
            if ("^#".indexOf(flag) >= 0) {
                text = inCase(flag, letter, text);
            } else {
                padding = flag;
            }
        }
        String plain = isNumber ? text.replaceFirst("^[0 ]+(?=\\d)", "") : text;
        int length = isNumber && padding != '-' ? text.length() : 0;
        if (!width.isEmpty() && letter != 'z') {
            length = Math.max(length, Integer.parseInt(width));
        }
        out.repeat(padding == '0' ? "0" : " ", length - plain.length()).append(plain);
    }

    /** The flag {@code ^} is for large letters, and {@code #} for the other ones. */
    private static String inCase(char flag, char letter, String text) {
        if (flag == '^') {
            return letter == 'P' ? text : Characters.upper(text);
        } else if ("pZ".indexOf(letter) >= 0) {
            return Characters.lower(text);
        }
        return "aAbBh".indexOf(letter) >= 0 ? Characters.upper(text) : text;
    }

    private String value(char letter) {
        return switch (letter) {
            case 'a' -> pattern("EEE");
            case 'A' -> pattern("EEEE");
            case 'b', 'h' -> pattern("MMM");
            case 'B' -> pattern("MMMM");
            case 'c' -> pattern("EEE MMM ppd HH:mm:ss yyyy");
            case 'C' -> number("%02d", time.getYear() / 100);
            case 'd' -> pattern("dd");
            case 'D', 'x' -> pattern("MM/dd/yy");
            case 'e' -> pattern("ppd");
            case 'F' -> pattern("yyyy-MM-dd");
            case 'g' -> number("%02d", time.get(IsoFields.WEEK_BASED_YEAR) % 100);
            case 'G' -> number("%d", time.get(IsoFields.WEEK_BASED_YEAR));
            case 'H' -> pattern("HH");
            case 'I' -> pattern("hh");
            case 'j' -> pattern("DDD");
            case 'k' -> pattern("ppH");
            case 'l' -> pattern("pph");
            case 'm' -> pattern("MM");
            case 'M' -> pattern("mm");
            case 'n' -> "\n";
            case 'p' -> pattern("a");
            case 'P' -> Characters.lower(pattern("a"));
            case 'r' -> pattern("hh:mm:ss a");
            case 'R' -> pattern("HH:mm");
            case 's' -> String.valueOf(time.toEpochSecond());
            case 'S' -> pattern("ss");
            case 't' -> "\t";
            case 'T', 'X' -> pattern("HH:mm:ss");
            case 'u' -> number("%d", time.getDayOfWeek().getValue());
            case 'U' -> number("%02d", week(time.getDayOfWeek().getValue() % 7));
            case 'V' -> number("%02d", time.get(IsoFields.WEEK_OF_WEEK_BASED_YEAR));
            case 'w' -> number("%d", time.getDayOfWeek().getValue() % 7);
            case 'W' -> number("%02d", week(time.getDayOfWeek().getValue() - 1));
            case 'y' -> pattern("yy");
            case 'Y' -> number("%d", time.getYear());
            case 'f' -> number("%06d", time.get(ChronoField.MICRO_OF_SECOND));
            case '%' -> "%";
            default -> ""; // a date without a time zone has neither %z nor %Z
        };
    }

    private String pattern(String pattern) {
        return DateTimeFormatter.ofPattern(pattern, Locale.US).format(time);
    }

    private static String number(String format, int value) {
        return String.format(Locale.ROOT, format, value);
    }

    /** The week of the year, by how many days ago a week began. */
    private int week(int daysAgo) {
        return (time.getDayOfYear() + 6 - daysAgo) / 7;
    }
}

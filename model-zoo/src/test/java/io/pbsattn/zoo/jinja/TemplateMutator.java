package io.pbsattn.zoo.jinja;

import com.google.gson.JsonElement;
import io.pbsattn.zoo.text.ChatData;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Makes spoilt templates of the pieces of good ones, the same ones for the same seed.
 *
 * <p>Run as a program, with a number of templates and a seed, it renders them all and fails at the
 * first one that is neither written nor refused with its line within ten seconds.
 */
final class TemplateMutator {

    private static final Pattern PIECE = Pattern.compile("\\w+|\\s+|\\{[{%#]-?|-?[}%#]\\}|.");
    private static final long SLOWEST_NANOS = 10_000_000_000L;

    /** What makes large values and deep ones. */
    private static final List<String> EXTREMES =
            List.of(
                    "99999999999999999999",
                    "-1",
                    "1e308",
                    "2 ** 62",
                    "10 ** 9",
                    "range(99999)",
                    "* 999999",
                    "** 99",
                    "| list",
                    "| string",
                    "| tojson",
                    "[::-1]",
                    "x * n",
                    "{% for i in range(9999) %}",
                    "{% endfor %}",
                    "{% set x = [x, x] %}",
                    "{% set s = s ~ s %}",
                    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                    "(((((",
                    ")))))",
                    "\\ud800",
                    "'%999d' %",
                    "'{:999}'.format(",
                    "\ud83d\ude00");

    private final List<String> pieces = new ArrayList<>();
    private final Random random;

    TemplateMutator(long seed) throws IOException {
        random = new Random(seed);
        for (JsonElement element : ChatData.read("jinja.json").getAsJsonArray("cases")) {
            String template = element.getAsJsonObject().get("template").getAsString();
            Matcher words = PIECE.matcher(template);
            while (words.find()) {
                pieces.add(words.group());
            }
        }
    }

    /** A run of pieces, of which some are others. */
    String next() {
        int from = random.nextInt(pieces.size() - 60);
        List<String> spoilt = new ArrayList<>(pieces.subList(from, from + 5 + random.nextInt(50)));
        for (int change = random.nextInt(5); change > 0; --change) {
            List<String> source = random.nextInt(4) == 0 ? EXTREMES : pieces;
            spoilt.set(random.nextInt(spoilt.size()), source.get(random.nextInt(source.size())));
        }
        return (random.nextBoolean() ? "" : "{{ ") + String.join("", spoilt);
    }

    /**
     * Renders a template.
     *
     * @return whether it was written, and not refused
     * @throws AssertionError if it fails in any other way
     */
    static boolean renders(String template, Map<String, Object> context) {
        long start = System.nanoTime();
        boolean written = false;
        try {
            JinjaTemplate.compile(template).render(context, ChatData.CLOCK);
            written = true;
        } catch (JinjaException e) {
            if (!e.getMessage().startsWith("line ") || e.getMessage().contains("unexpected java")) {
                throw new AssertionError(template, e);
            }
        } catch (RuntimeException | Error e) {
            throw new AssertionError(template, e);
        }
        if (System.nanoTime() - start > SLOWEST_NANOS) {
            throw new AssertionError("more than ten seconds: " + template);
        }
        return written;
    }

    public static void main(String[] arguments) throws IOException {
        int runs = Integer.parseInt(arguments[0]);
        TemplateMutator mutator = new TemplateMutator(Long.parseLong(arguments[1]));
        Map<String, Object> context = ChatData.map(ChatData.read("jinja.json").get("context"));
        int written = 0;
        for (int i = 0; i < runs; ++i) {
            written += renders(mutator.next(), context) ? 1 : 0;
        }
        System.out.println(
                runs + " templates: " + written + " written, " + (runs - written) + " refused");
    }
}

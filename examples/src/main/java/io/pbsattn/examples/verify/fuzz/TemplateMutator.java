package io.pbsattn.examples.verify.fuzz;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Damages templates word by word, and grows expressions and statements by Jinja's grammar. */
final class TemplateMutator {

    private static final Pattern WORD =
            Pattern.compile(
                    "\\{%-?|-?%\\}|\\{\\{-?|-?\\}\\}|\\{#|#\\}|'[^'\\n]*'|\\w+|\\s+|.",
                    Pattern.DOTALL);

    private static final String[] ATOMS = {
        "messages",
        "messages[0]",
        "messages[-1].content",
        "m",
        "x",
        "none",
        "true",
        "false",
        "0",
        "1",
        "-1",
        "2",
        "7",
        "1.5",
        "1e300",
        "100000",
        "4294967297",
        "9223372036854775807",
        "-9223372036854775808",
        "99999999999999999999",
        "''",
        "'a'",
        "'a,b c'",
        "'é😀'",
        "'1e99'",
        "'%s %d'",
        "[]",
        "[1, 2, 'x']",
        "{}",
        "{'a': 1, 1: none}",
        "(1, 'a')",
        "tools",
        "bos_token",
        "undefined_name",
        "loop",
        "loop.index",
        "range(3)",
        "range(-5, 5)",
        "range(100000)",
        "range(9223372036854775807)",
        "namespace(a=1)",
        "self",
        "joiner(',')",
        "cycler(1, 2)",
        "dict(a=1)",
        "lipsum()",
        "caller()",
        "varargs",
        "kwargs",
        "strftime_now('%Y %c %j')",
        "raise_exception('x')"
    };

    private static final String[] FILTERS = {
        "abs",
        "attr('a')",
        "batch(2)",
        "capitalize",
        "center(99)",
        "default(1, true)",
        "dictsort",
        "dictsort(false, 'value')",
        "escape",
        "filesizeformat",
        "first",
        "float",
        "forceescape",
        "format(1, 2)",
        "groupby('role')",
        "indent(2)",
        "indent(-1)",
        "int",
        "int(base=16)",
        "items",
        "join(',')",
        "join(1, 'role')",
        "last",
        "length",
        "list",
        "lower",
        "map('upper')",
        "map(attribute='content')",
        "max",
        "min",
        "pprint",
        "random",
        "reject('none')",
        "rejectattr('x')",
        "replace('a', 'b')",
        "replace('', 'x')",
        "reverse",
        "round(2, 'floor')",
        "round(-400)",
        "safe",
        "select('odd')",
        "selectattr('role', 'equalto', 'user')",
        "slice(3)",
        "sort",
        "sort(attribute='a.b')",
        "sort(true, true)",
        "string",
        "striptags",
        "sum",
        "sum('x', 1)",
        "title",
        "tojson",
        "tojson(indent=4)",
        "tojson(indent=-1)",
        "tojson(separators=(none, 1))",
        "tojson(sort_keys=true)",
        "trim",
        "truncate(3)",
        "unique",
        "upper",
        "urlencode",
        "urlize",
        "wordcount",
        "wordwrap(3)",
        "xmlattr",
        "nosuchfilter"
    };

    private static final String[] TESTS = {
        "defined", "undefined", "none", "string", "number", "mapping", "iterable", "sequence",
        "boolean", "callable", "odd", "even", "divisibleby(0)", "divisibleby 3", "eq(1)", "in([1])",
        "sameas(none)", "lower", "upper", "filter('x')", "test", "escaped", "ge 'a'", "lt(none)",
        "nosuchtest"
    };

    private static final String[] METHODS = {
        "strip()",
        "strip('a')",
        "split()",
        "split(none, 1)",
        "split('')",
        "rsplit('a', -1)",
        "upper()",
        "title()",
        "startswith('a')",
        "startswith(none)",
        "endswith(('a', 'b'))",
        "replace('a', 'b', 1)",
        "replace('', '-')",
        "join([1])",
        "join(['a'])",
        "format(1, a=2)",
        "index('a')",
        "find('', 99)",
        "count('')",
        "zfill(-1)",
        "zfill(99)",
        "ljust(9)",
        "center(5, 'xy')",
        "splitlines()",
        "partition('')",
        "partition(',')",
        "encode()",
        "items()",
        "keys()",
        "values()",
        "get('a')",
        "get(none, 1)",
        "pop()",
        "append(1)",
        "append(x)",
        "copy()",
        "update({})",
        "cycle(1, 2)",
        "isdigit()",
        "casefold()",
        "removeprefix('a')",
        "expandtabs(99999999)",
        "nosuchmethod()",
        "__class__",
        "a.b.c"
    };

    private static final String[] OPERATORS = {
        "+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">", "<=", ">=", "and", "or",
        "in", "not in"
    };

    /** One time in so many, something is made thousands of levels deep. */
    private static final int DEEP = 300;

    private static final int MOST_LEVELS = 20_000;
    private static final int MOST_DEPTH = 4;

    private final SplittableRandom random;
    private final List<String> seeds;

    TemplateMutator(SplittableRandom random, List<String> seeds) {
        this.random = random;
        this.seeds = seeds;
    }

    String mutate() {
        if (random.nextInt(4) == 0) {
            return statements(MOST_DEPTH);
        }
        List<String> words = words(Seeds.pick(random, seeds));
        for (int n = random.nextInt(5); n >= 0 && !words.isEmpty(); --n) {
            change(words);
        }
        return String.join("", words);
    }

    private static List<String> words(String template) {
        List<String> words = new ArrayList<>();
        Matcher matcher = WORD.matcher(template);
        while (matcher.find()) {
            words.add(matcher.group());
        }
        return words;
    }

    private void change(List<String> words) {
        int at = random.nextInt(words.size());
        switch (random.nextInt(8)) {
            case 0 -> words.remove(at);
            case 1 -> words.add(at, words.get(random.nextInt(words.size())));
            case 2 -> words.set(at, words.get(random.nextInt(words.size())));
            case 3 -> words.set(at, expression(MOST_DEPTH));
            case 4 -> words.add(at, statements(2));
            case 5 -> words.add(at, "|" + pick(FILTERS));
            case 6 -> words.add(at, "." + pick(METHODS));
            default -> {
                List<String> other = words(Seeds.pick(random, seeds));
                int from = random.nextInt(other.size());
                words.addAll(at, other.subList(from, Math.min(other.size(), from + 12)));
            }
        }
    }

    private String statements(int depth) {
        StringBuilder text = new StringBuilder();
        for (int n = random.nextInt(3); n >= 0; --n) {
            text.append(statement(depth));
        }
        return text.toString();
    }

    private String statement(int depth) {
        if (random.nextInt(DEEP) == 0) {
            int levels = random.nextInt(MOST_LEVELS);
            return "{% if 1 %}".repeat(levels) + "x" + "{% endif %}".repeat(levels);
        }
        if (depth == 0) {
            return "text " + pick(ATOMS);
        }
        String inner = statements(depth - 1);
        String value = expression(depth);
        return switch (random.nextInt(14)) {
            case 0 -> "{% for x in " + value + " %}" + inner + "{% else %}e{% endfor %}";
            case 1 -> "{% for a, b in " + value + " if a %}" + inner + "{% endfor %}";
            case 2 -> "{%- if " + value + " -%}" + inner + "{% elif x %}{% else %}e{% endif %}";
            case 3 -> "{% set x = " + value + " %}" + inner;
            case 4 -> "{% set a, b = " + value + " %}" + inner;
            case 5 -> "{% set x %}" + inner + "{% endset %}";
            case 6 -> "{% macro f(a, b=" + value + ") %}" + inner + "{% endmacro %}{{ f(1) }}";
            case 7 -> "{% filter " + pick(FILTERS) + " %}" + inner + "{% endfilter %}";
            case 8 -> "{% call(x) f(" + value + ") %}" + inner + "{% endcall %}";
            case 9 -> "{% for x in [1, [2]] recursive %}{{ loop(x) }}" + inner + "{% endfor %}";
            case 10 -> "{# " + value + " #}{% raw %}{{ " + value + " }}{% endraw %}";
            case 11 -> "{% set ns = namespace(a=[]) %}{% set ns.a = " + value + " %}" + inner;
            default -> "{{ " + value + " }}";
        };
    }

    private String expression(int depth) {
        if (random.nextInt(DEEP) == 0) {
            int levels = random.nextInt(MOST_LEVELS);
            String open = pick(new String[] {"(", "[", "not ", "-", "{1:", "f("});
            String close =
                    switch (open) {
                        case "(", "f(" -> ")";
                        case "[" -> "]";
                        case "{1:" -> "}";
                        default -> "";
                    };
            return open.repeat(levels) + "1" + close.repeat(levels);
        }
        if (depth == 0 || random.nextInt(4) == 0) {
            return pick(ATOMS);
        }
        String a = expression(depth - 1);
        return switch (random.nextInt(9)) {
            case 0, 1 -> a + " " + pick(OPERATORS) + " " + expression(depth - 1);
            case 2, 3 -> "(" + a + ")|" + pick(FILTERS);
            case 4 -> "(" + a + ")." + pick(METHODS);
            case 5 -> a + " is " + (random.nextBoolean() ? "not " : "") + pick(TESTS);
            case 6 -> a + "[" + expression(depth - 1) + "]";
            case 7 -> "(" + a + ")[" + pick(ATOMS) + ":" + pick(ATOMS) + ":" + pick(ATOMS) + "]";
            default -> a + " if " + expression(depth - 1) + " else " + expression(depth - 1);
        };
    }

    private String pick(String[] words) {
        return words[random.nextInt(words.length)];
    }
}

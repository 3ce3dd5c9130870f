package io.pbsattn.examples.verify.fuzz;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The kinds of input that are tried. */
public enum FuzzTarget {
    /** {@code config.json} and {@code generation_config.json}. */
    CONFIG(ConfigFuzzer.class),
    /** {@code tokenizer.json} and what stands beside it. */
    TOKENIZER(TokenizerFuzzer.class),
    /** {@code chat_template.jinja}. */
    TEMPLATE(TemplateFuzzer.class),
    /** {@code model.safetensors} and its index. */
    SAFETENSORS(SafetensorsFuzzer.class);

    private final Class<? extends Fuzzer> fuzzer;

    FuzzTarget(Class<? extends Fuzzer> fuzzer) {
        this.fuzzer = fuzzer;
    }

    /**
     * Returns the target of a name.
     *
     * @throws IllegalArgumentException if there is none; names those that there are
     */
    public static FuzzTarget parse(String name) {
        return Arrays.stream(values())
                .filter(target -> target.toString().equals(name))
                .findFirst()
                .orElseThrow(
                        () ->
                                new IllegalArgumentException(
                                        "expected " + names() + ", found '" + name + "'"));
    }

    private static String names() {
        return Arrays.stream(values()).map(FuzzTarget::toString).collect(Collectors.joining(", "));
    }

    Class<? extends Fuzzer> fuzzer() {
        return fuzzer;
    }

    /** The name on the command line. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}

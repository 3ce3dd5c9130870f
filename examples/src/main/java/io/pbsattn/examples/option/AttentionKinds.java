package io.pbsattn.examples.option;

import io.pbsattn.zoo.model.AttentionKind;
import java.util.List;
import picocli.CommandLine.Option;

/** The option {@code --attention} of commands that compare: both kinds unless one is chosen. */
public final class AttentionKinds {

    @Option(
            names = "--attention",
            split = ",",
            defaultValue = "pbs,dense",
            description = "pbs, dense, or both (default).")
    private List<AttentionKind> kinds;

    /** Returns the kinds in the order in which they were named, each once. */
    public List<AttentionKind> get() {
        return kinds.stream().distinct().toList();
    }
}

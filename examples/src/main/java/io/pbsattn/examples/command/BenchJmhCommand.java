package io.pbsattn.examples.command;

import io.pbsattn.examples.bench.OperatorBenchmark;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Unmatched;

/** Runs {@link OperatorBenchmark}. */
@Command(
        name = "jmh",
        description =
                "Measure the operator under JMH. Arguments go to JMH: -p seqlen=16384, -h for all.")
final class BenchJmhCommand implements Callable<Integer> {

    @Unmatched private final List<String> arguments = new ArrayList<>();

    /** {@inheritDoc} */
    @Override
    public Integer call() throws IOException {
        org.openjdk.jmh.Main.main(arguments.toArray(new String[0]));
        return 0;
    }
}

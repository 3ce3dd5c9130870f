package io.pbsattn.examples.command;

import io.pbsattn.examples.bench.ModelShape;
import io.pbsattn.examples.bench.RandomModel;
import io.pbsattn.examples.option.PositiveNumber;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Writes a {@link RandomModel}. */
@Command(
        name = "make-model",
        description = "Write a random-weight checkpoint to measure with.",
        mixinStandardHelpOptions = true)
final class BenchMakeModelCommand implements Callable<Integer> {

    private static final long SEED = 20251021;

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    @Option(
            names = "--shape",
            defaultValue = "llama-1b",
            description = "llama-1b (default), llama-8b or tiny.")
    private String shape;

    @Option(
            names = "--layers",
            converter = PositiveNumber.class,
            description = "Decoder layers; default: the shape's.")
    private Integer layers;

    @Parameters(paramLabel = "DIR", description = "Where it goes.")
    private Path folder;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws IOException {
        ModelShape known = ModelShape.BY_NAME.get(shape);
        if (known == null) {
            throw new CommandLine.ParameterException(
                    spec.commandLine(),
                    "--shape: expected llama-1b, llama-8b or tiny, found '" + shape + "'");
        }
        new RandomModel(layers == null ? known : known.withLayers(layers), SEED).write(folder);
        spec.commandLine().getOut().println("wrote " + shape + " to " + folder);
        return 0;
    }
}

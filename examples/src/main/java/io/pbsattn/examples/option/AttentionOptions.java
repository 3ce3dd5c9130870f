package io.pbsattn.examples.option;

import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.model.AttentionKind;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.LayerRanges;
import io.pbsattn.zoo.model.ModelOptions;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** The options of sparse attention, alike for every command that runs a model. */
public final class AttentionOptions {

    @CommandLine.Spec(CommandLine.Spec.Target.MIXEE)
    private CommandLine.Model.CommandSpec command;

    @Option(
            names = "--threshold",
            converter = Threshold.class,
            description = "Share of attention to keep, 0 to 1, or 'all' (default 0.9).")
    private Double threshold;

    @Option(
            names = "--block-size",
            converter = PositiveNumber.class,
            description = "Tokens in a block, the unit that is kept or skipped (default 128).")
    private Integer blockSize;

    @Option(
            names = "--segment-size",
            converter = PositiveNumber.class,
            description =
                    "Tokens in a segment, inside which keys are reordered: a multiple of"
                            + " --block-size (default 256).")
    private Integer segmentSize;

    @Option(
            names = "--min-length",
            converter = Count.class,
            description = "Skip blocks from so many tokens on; default: 3072, in bfloat16 6144.")
    private Integer minLength;

    @Option(
            names = "--layers",
            description =
                    "Layers that keep every block, by index from 0, like 0,1,30-31; default: none.")
    private LayerRanges denseLayers = LayerRanges.NONE;

    @Option(
            names = "--backend",
            converter = BackendName.class,
            description =
                    "cpu or reference; default: the best that runs. cuda runs the operator only.")
    private String backend;

    /**
     * Returns the settings of sparse attention.
     *
     * @throws CommandLine.ParameterException if two options do not fit; names them
     */
    public PbsConfig config() {
        PbsConfig.Builder config = PbsConfig.builder();
        int block = blockSize == null ? PbsConfig.DEFAULT.blockSize() : blockSize;
        int segment = segmentSize == null ? PbsConfig.DEFAULT.segmentSize() : segmentSize;
        if (segment % block != 0) {
            throw wrong(
                    "--segment-size: expected a multiple of --block-size "
                            + block
                            + ", found "
                            + segment);
        }
        config.optBlockSize(block).optSegmentSize(segment);
        if (threshold != null) {
            config.optThreshold(threshold);
        }
        if (minLength != null) {
            config.optMinLength(minLength);
        }
        return config.build();
    }

    /** Returns the operator on the backend that was asked for. */
    public PbsAttention operator() {
        return backend == null
                ? PbsAttention.create(config())
                : PbsAttention.create(config(), backend);
    }

    /**
     * Returns how a model is to be run.
     *
     * @throws CommandLine.ParameterException if two options do not fit; names them
     */
    public ModelOptions modelOptions(AttentionKind attention) {
        return new ModelOptions()
                .optAttention(attention)
                .optPbsConfig(config())
                .optDenseLayers(denseLayers)
                .optBackend(backend);
    }

    /** Returns the layers that keep every block. */
    public LayerRanges denseLayers() {
        return denseLayers;
    }

    /**
     * Checks that a model has the layers that were named, before its weights are read.
     *
     * @throws CommandLine.ParameterException if it has not; says which it has
     */
    public void checkLayers(Path folder) throws IOException, CheckpointException {
        if (!denseLayers.ranges().isEmpty()) {
            checkLayers(CausalLm.numLayers(folder));
        }
    }

    /**
     * Checks that a model has the layers that were named.
     *
     * @throws CommandLine.ParameterException if it has not; says which it has
     */
    public void checkLayers(int numLayers) {
        try {
            denseLayers.check(numLayers);
        } catch (IllegalArgumentException e) {
            throw wrong(e.getMessage());
        }
    }

    private CommandLine.ParameterException wrong(String message) {
        return new CommandLine.ParameterException(command.commandLine(), message);
    }
}

package io.pbsattn.examples.option;

import ai.djl.ModelException;
import io.pbsattn.examples.model.LoadedModel;
import io.pbsattn.torch.TorchType;
import io.pbsattn.zoo.model.AttentionKind;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options that say which model answers, and how it is loaded. */
public final class LoadOptions {

    @CommandLine.Spec(CommandLine.Spec.Target.MIXEE)
    private CommandLine.Model.CommandSpec command;

    @Mixin private ModelOption model;

    @Mixin private DtypeOption dtype;

    @Option(names = "--attention", defaultValue = "pbs", description = "pbs (default) or dense.")
    private AttentionKind attention;

    /**
     * Checks the option {@code --context}, which each command has with words of its own, before
     * anything is read or downloaded.
     *
     * @param context the most tokens of a sequence; null for the model's own limit
     * @throws CommandLine.ParameterException if it is out of range
     */
    public void checkContext(Integer context) {
        if (context != null && context < 2) {
            throw new CommandLine.ParameterException(
                    command.commandLine(), "--context: expected at least 2, found " + context);
        }
    }

    /** Returns the attention that was asked for: pbs or dense. */
    public String attention() {
        return attention.toString();
    }

    /** Returns the model's folder, see {@link ModelOption#folder}. */
    public Path folder() throws IOException {
        return model.folder();
    }

    /**
     * Loads the model of a folder.
     *
     * @param kind pbs or dense
     * @param context the most tokens of a sequence; null for the model's own limit
     */
    public LoadedModel open(Path folder, String kind, Integer context)
            throws IOException, ModelException {
        TorchType type = dtype.get();
        return LoadedModel.open(folder, kind, type == null ? null : type.toString(), context);
    }
}

package io.pbsattn.examples.option;

import ai.djl.ModelException;
import io.pbsattn.examples.model.LoadedModel;
import io.pbsattn.zoo.model.AttentionKind;
import io.pbsattn.zoo.model.ModelOptions;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The options that say which model answers, and how it is loaded. */
public final class LoadOptions {

    @Mixin private ModelOption model;

    @Mixin private DtypeOption dtype;

    @Option(names = "--attention", defaultValue = "pbs", description = "pbs (default) or dense.")
    private AttentionKind attention;

    @Mixin private AttentionOptions sparse;

    /** Returns the attention that was asked for. */
    public AttentionKind attention() {
        return attention;
    }

    /**
     * Checks options that belong together, before anything is read or downloaded.
     *
     * @throws CommandLine.ParameterException if they do not fit; names them
     */
    public void check() {
        sparse.config();
    }

    /** Returns the model's folder, see {@link ModelOption#folder}. */
    public Path folder() throws IOException {
        return model.folder();
    }

    /**
     * Loads the model of a folder.
     *
     * @param context the most tokens of a sequence; null for the model's own limit
     * @throws CommandLine.ParameterException if the model has not the layers that were named
     */
    public LoadedModel open(Path folder, AttentionKind kind, Integer context)
            throws IOException, ModelException {
        ModelOptions options = sparse.modelOptions(kind).optDtype(dtype.get());
        if (context != null) {
            options.optContextLimit(context);
        }
        sparse.checkLayers(folder);
        return LoadedModel.open(folder, options);
    }
}

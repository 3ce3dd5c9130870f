package io.pbsattn.examples.model;

import ai.djl.training.util.ProgressBar;
import io.pbsattn.zoo.hub.Hub;
import io.pbsattn.zoo.hub.HubModelId;
import io.pbsattn.zoo.hub.HubSettings;
import java.io.IOException;
import java.nio.file.Path;

/** What {@code --model} names. */
public final class ModelFolder {

    private ModelFolder() {}

    /**
     * Returns a model's folder, after downloading or unpacking it where need be.
     *
     * @param model a Hugging Face folder, {@code hf://org/model[@revision]} or {@code demo}
     * @throws IOException if it cannot be had
     */
    public static Path of(String model) throws IOException {
        if (DemoModel.NAME.equals(model)) {
            return DemoModel.unpack();
        }
        if (!HubModelId.isUrl(model)) {
            return Path.of(model);
        }
        ProgressBar bar = PrefillProgress.isOnTerminal() ? new ProgressBar() : null;
        return hub().download(HubModelId.parse(model), bar);
    }

    /** Returns what a model is called where its path says too much. */
    public static String name(String model, Path folder) {
        return HubModelId.isUrl(model) ? model : folder.getFileName().toString();
    }

    /**
     * Returns the hub of this process. Only HF_HUB_OFFLINE keeps it from downloading: DJL's own
     * property is set by ./pbs, so that DJL fetches nothing that was not asked for.
     */
    public static Hub hub() {
        return new Hub(HubSettings.fromEnvironment().optOffline(HubSettings.isHubOffline()));
    }
}

package io.pbsattn.examples.command;

import ai.djl.repository.Artifact;
import ai.djl.repository.MRL;
import ai.djl.repository.zoo.ModelLoader;
import ai.djl.repository.zoo.ModelZoo;
import io.pbsattn.examples.model.ModelFolder;
import io.pbsattn.examples.option.JsonOption;
import io.pbsattn.zoo.hub.CachedModel;
import io.pbsattn.zoo.hub.HubSettings;
import io.pbsattn.zoo.hub.PbsModelZoo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Lists the models that can be had without a download. */
@Command(
        name = "models",
        description = "List the models that come with the project, and those in the hub's cache.",
        mixinStandardHelpOptions = true)
public final class ModelsCommand implements Callable<Integer> {

    @Mixin private JsonOption json;

    /** {@inheritDoc} */
    @Override
    public Integer call() throws IOException {
        List<Known> known = new ArrayList<>();
        for (ModelLoader loader : ModelZoo.getModelZoo(PbsModelZoo.GROUP_ID).getModelLoaders()) {
            known.add(Known.of(loader.getMrl()));
        }
        List<Cached> cached = ModelFolder.hub().cached().stream().map(Cached::of).toList();
        Path cache = HubSettings.fromEnvironment().cache();
        Result result = new Result(known, cache.toString(), cached);
        json.print(result, result.text());
        return 0;
    }

    /** The JSON of a model of the zoo. */
    private record Known(
            String groupId, String artifactId, String revision, long bytes, String path) {

        static Known of(MRL mrl) throws IOException {
            Artifact artifact = mrl.getDefaultArtifact();
            Path folder = mrl.getRepository().getResourceDirectory(artifact);
            boolean isUnpacked = Files.isDirectory(folder);
            return new Known(
                    mrl.getGroupId(),
                    mrl.getArtifactId(),
                    artifact.getVersion(),
                    artifact.getFiles().values().stream().mapToLong(Artifact.Item::getSize).sum(),
                    isUnpacked ? folder.toString() : "");
        }
    }

    /** The JSON of a model in the hub's cache. */
    private record Cached(
            String model,
            String commit,
            List<String> revisions,
            long bytes,
            boolean complete,
            String path) {

        static Cached of(CachedModel model) {
            return new Cached(
                    model.name(),
                    model.commit(),
                    model.revisions(),
                    model.bytes(),
                    model.complete(),
                    model.path().toString());
        }
    }

    /** The JSON of the command. */
    private record Result(List<Known> known, String cache, List<Cached> cached) {

        String text() {
            StringBuilder text = new StringBuilder();
            text.append(String.format("Known%n"));
            for (Known model : known) {
                text.append(
                        line(
                                model.groupId + ':' + model.artifactId,
                                model.bytes,
                                "version " + model.revision,
                                model.path.isEmpty() ? "not unpacked yet" : model.path));
            }
            text.append(String.format("Cached in %s%n", cache));
            for (Cached model : cached) {
                String revision = model.commit;
                if (!model.revisions.isEmpty()) {
                    revision += " (" + String.join(", ", model.revisions) + ')';
                }
                text.append(
                        line(
                                "hf://" + model.model,
                                model.bytes,
                                revision + (model.complete ? "" : ", not complete"),
                                model.path));
            }
            if (cached.isEmpty()) {
                text.append(String.format("  none%n"));
            }
            return text.toString().stripTrailing();
        }

        private static String line(String name, long bytes, String revision, String path) {
            double mebibytes = bytes / (double) (1 << 20);
            return String.format(
                    "  %-40s %10.1f MiB  %s%n    %s%n", name, mebibytes, revision, path);
        }
    }
}

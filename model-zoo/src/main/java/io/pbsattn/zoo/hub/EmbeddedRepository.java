package io.pbsattn.zoo.hub;

import ai.djl.repository.Artifact;
import ai.djl.repository.MRL;
import ai.djl.util.Progress;
import io.pbsattn.zoo.djl.DecoderRepository;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URL;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A model among the resources of this jar; DJL unpacks it to its cache as a whole. */
final class EmbeddedRepository extends DecoderRepository {

    private static final String FOLDER = "/models/";

    /** Only these: a resource folder cannot be listed. */
    private static final List<String> FILES =
            List.of(
                    "config.json",
                    "generation_config.json",
                    "tokenizer.json",
                    "tokenizer_config.json",
                    "model.safetensors");

    private final String model;

    /**
     * Constructs a repository.
     *
     * @param groupId of the zoo
     * @param model the name of the resource folder
     * @param version to be raised with each change of the files, because unpacked ones stay
     */
    EmbeddedRepository(String groupId, String model, String version) {
        super(model, URI.create("pbs:///" + model), groupId, model, items(model));
        this.model = model;
        MRL mrl = getResources().get(0);
        resolve(mrl, Map.of()).setVersion(version);
    }

    private static Map<String, Artifact.Item> items(String model) {
        Map<String, Artifact.Item> items = new LinkedHashMap<>();
        for (String name : FILES) {
            Artifact.Item item = new Artifact.Item();
            item.setUri(name);
            item.setName(name);
            item.setType("file");
            item.setSize(bytes(model, name));
            items.put(name, item);
        }
        return items;
    }

    private static long bytes(String model, String name) {
        URL url = EmbeddedRepository.class.getResource(FOLDER + model + '/' + name);
        try {
            return url == null ? -1 : url.openConnection().getContentLengthLong();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** {@inheritDoc} */
    @Override
    protected void download(Path folder, URI base, Artifact.Item item, Progress progress)
            throws IOException {
        String resource = FOLDER + model + '/' + item.getName();
        try (InputStream in = EmbeddedRepository.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new FileNotFoundException(resource + ": no such resource");
            }
            save(in, folder, item, progress);
        }
    }
}

package io.pbsattn.zoo.hub;

import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.checkpoint.JsonFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** Which of a model's files are needed to run it; other formats of its weights are not. */
final class FileNames {

    static final String CONFIG = "config.json";
    static final String TOKENIZER = "tokenizer.json";

    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
    private static final Pattern SMALL =
            Pattern.compile(
                    "config\\.json|generation_config\\.json|tokenizer[\\w.-]*\\.json"
                            + "|special_tokens_map\\.json|added_tokens\\.json"
                            + "|chat_template\\.(jinja|json)");

    private FileNames() {}

    /** The files to fetch first: all but the weights. */
    static List<String> small(HubModelId model, Collection<String> names) throws HubException {
        if (!names.contains(CONFIG)) {
            throw new HubException(model + ": holds no " + CONFIG);
        }
        boolean isSharded = !names.contains(SINGLE);
        if (isSharded && !names.contains(INDEX)) {
            throw new HubException(
                    model
                            + ": holds neither "
                            + SINGLE
                            + " nor "
                            + INDEX
                            + "; weights of other formats are not supported");
        }
        List<String> small = new ArrayList<>();
        for (String name : names) {
            if (SMALL.matcher(name).matches() || (isSharded && INDEX.equals(name))) {
                small.add(name);
            }
        }
        return small;
    }

    /**
     * The files with the weights.
     *
     * @param folder holds the index, if the model has one
     * @throws HubException if the index names a file that is not one of the folder
     */
    static Set<String> weights(Path folder) throws IOException {
        Path index = folder.resolve(INDEX);
        if (Files.exists(folder.resolve(SINGLE)) || !Files.exists(index)) {
            return Set.of(SINGLE);
        }
        Set<String> shards = new TreeSet<>();
        try {
            JsonFile map = JsonFile.read(index).object("weight_map");
            for (String tensor : map.keys()) {
                String name = map.string(tensor);
                checkInside(index.toString(), name);
                if (name.contains("/")) {
                    throw new HubException(
                            index + ": shard '" + name + "' is not a file name inside the folder");
                }
                shards.add(name);
            }
        } catch (CheckpointException e) {
            throw new HubException(e.getMessage(), e);
        }
        return shards;
    }

    /** What a folder lacks of a model; empty if it can be run. */
    static List<String> missing(Path folder) throws IOException {
        List<String> needed = new ArrayList<>(List.of(CONFIG));
        needed.addAll(weights(folder));
        needed.removeIf(name -> Files.isRegularFile(folder.resolve(name)));
        return needed;
    }

    /**
     * Refuses names that lead out of a folder on any system.
     *
     * @param where the name stands
     */
    static void checkInside(String where, String name) throws HubException {
        boolean isInside =
                !name.isEmpty()
                        && name.chars().noneMatch(c -> c == '\\' || c == ':' || c < ' ')
                        && !List.of(name.split("/", -1)).stream()
                                .anyMatch(part -> part.isEmpty() || part.matches("\\.\\.?"));
        if (!isInside) {
            throw new HubException(
                    where
                            + ": file name '"
                            + name.replaceAll("\\p{Cntrl}", "?")
                            + "' leads out of the model's folder");
        }
    }
}

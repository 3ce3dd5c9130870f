package io.pbsattn.zoo.hub;

import io.pbsattn.util.WholeFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * The cache of huggingface_hub, in its layout:
 *
 * <pre>
 * models--org--model/blobs/ETAG               the contents
 * models--org--model/snapshots/COMMIT/NAME    links to them
 * models--org--model/refs/REVISION            the commit of a branch or tag
 * </pre>
 *
 * Only whole files have a name here: a download has its own until it is complete and checked.
 */
final class HubCache {

    private static final String PREFIX = "models--";
    private static final String SNAPSHOTS = "snapshots";

    private final Path root;

    HubCache(Path root) {
        this.root = root;
    }

    Path blob(HubModelId model, String etag) {
        return folder(model).resolve("blobs").resolve(etag);
    }

    Path snapshot(HubModelId model, String commit) {
        return folder(model).resolve(SNAPSHOTS).resolve(commit);
    }

    Path lockFile(HubModelId model) {
        return root.resolve(".locks").resolve(folderName(model)).resolve("pbs-attn.lock");
    }

    private Path ref(HubModelId model) {
        return folder(model).resolve("refs").resolve(model.revision());
    }

    private Path folder(HubModelId model) {
        return root.resolve(folderName(model));
    }

    private static String folderName(HubModelId model) {
        return PREFIX + model.name().replace("/", "--");
    }

    /** The commit that a revision was when it was last asked for; empty if it never was. */
    Optional<String> commit(HubModelId model) throws IOException {
        return model.isCommit() ? Optional.of(model.revision()) : readRef(ref(model));
    }

    private static Optional<String> readRef(Path ref) throws IOException {
        String commit =
                Files.isRegularFile(ref)
                        ? Files.readString(ref, StandardCharsets.ISO_8859_1).strip()
                        : "";
        return HubModelId.isCommit(commit) ? Optional.of(commit) : Optional.empty();
    }

    /** Writes down which commit a revision is. */
    void writeRef(HubModelId model, String commit) throws IOException {
        if (model.isCommit() || commit(model).filter(commit::equals).isPresent()) {
            return;
        }
        WholeFile.write(ref(model), out -> out.write(commit.getBytes(StandardCharsets.US_ASCII)));
    }

    /** The folder of a model of which everything is there. */
    Optional<Path> complete(HubModelId model) throws IOException {
        Optional<String> commit = commit(model);
        if (commit.isEmpty()) {
            return Optional.empty();
        }
        Path snapshot = snapshot(model, commit.get());
        return FileNames.missing(snapshot).isEmpty() ? Optional.of(snapshot) : Optional.empty();
    }

    /** Gives a blob its name in a snapshot. */
    void link(Path blob, Path file) throws IOException {
        Files.createDirectories(file.getParent());
        if (Files.isRegularFile(file)) {
            return;
        }
        Files.deleteIfExists(file); // a link that leads nowhere
        Path target = file.getParent().relativize(blob);
        try {
            Files.createSymbolicLink(file, target);
        } catch (FileAlreadyExistsException e) {
            // huggingface_hub, which has locks of its own, was faster
            if (!Files.isRegularFile(file)) {
                throw e;
            }
        } catch (UnsupportedOperationException | FileSystemException e) {
            copy(blob, file);
        }
    }

    /** Where a system has no symbolic links, or allows none, as Windows does to most users. */
    static void copy(Path blob, Path file) throws IOException {
        Path part = file.resolveSibling(file.getFileName() + ".incomplete");
        Files.deleteIfExists(part);
        try {
            Files.createLink(part, blob);
        } catch (UnsupportedOperationException | FileSystemException e) {
            Files.copy(blob, part);
        }
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
    }

    /** Every model that is here, whole or in part, by name. */
    List<CachedModel> list() throws IOException {
        List<CachedModel> models = new ArrayList<>();
        for (Path folder : children(root)) {
            String name = folder.getFileName().toString();
            if (name.startsWith(PREFIX)) {
                Map<String, List<String>> refs = refs(folder.resolve("refs"));
                for (Path snapshot : children(folder.resolve(SNAPSHOTS))) {
                    String commit = snapshot.getFileName().toString();
                    models.add(
                            new CachedModel(
                                    name.substring(PREFIX.length()).replace("--", "/"),
                                    commit,
                                    refs.getOrDefault(commit, List.of()),
                                    bytes(snapshot),
                                    isComplete(snapshot),
                                    snapshot));
                }
            }
        }
        return models;
    }

    private static boolean isComplete(Path snapshot) throws IOException {
        try {
            return FileNames.missing(snapshot).isEmpty();
        } catch (HubException e) {
            return false; // an index that cannot be read
        }
    }

    private static List<Path> children(Path folder) throws IOException {
        try (Stream<Path> children = Files.list(folder)) {
            return children.filter(Files::isDirectory).sorted().toList();
        } catch (NoSuchFileException e) {
            return List.of();
        }
    }

    /** Commits to the revisions that they are. */
    private static Map<String, List<String>> refs(Path folder) throws IOException {
        Map<String, List<String>> refs = new TreeMap<>();
        if (Files.isDirectory(folder)) {
            try (Stream<Path> files = Files.walk(folder)) {
                for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                    String revision = folder.relativize(file).toString().replace('\\', '/');
                    readRef(file)
                            .ifPresent(
                                    commit ->
                                            refs.computeIfAbsent(commit, c -> new ArrayList<>())
                                                    .add(revision));
                }
            }
        }
        return refs;
    }

    private static long bytes(Path snapshot) throws IOException {
        long bytes = 0;
        try (Stream<Path> files = Files.walk(snapshot)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                bytes += Files.size(file);
            }
        }
        return bytes;
    }
}

package io.pbsattn.zoo.djl;

import ai.djl.repository.FilenameUtils;
import ai.djl.repository.MRL;
import ai.djl.repository.Repository;
import ai.djl.repository.zoo.ModelZoo;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.regex.Pattern;

/** A zoo of the one model that a location names. */
final class LocationZoo extends ModelZoo {

    /** A scheme has two letters or more: one is a drive of Windows. */
    private static final Pattern URL = Pattern.compile("\\p{Alpha}[\\w+.-]+:.*");

    LocationZoo(String location) {
        URI uri =
                URL.matcher(location).matches() ? URI.create(location) : Path.of(location).toUri();
        if ("file".equals(uri.getScheme())) {
            checkExists(location, uri);
        }
        Repository repository =
                JarUrlRepository.isFor(uri)
                        ? new JarUrlRepository(location, uri)
                        : Repository.newInstance(location, uri.toString());
        for (MRL mrl : repository.getResources()) {
            addModel(new DecoderLoader(mrl));
        }
    }

    /** {@inheritDoc} */
    @Override
    public String getGroupId() {
        return "io.pbsattn.location";
    }

    /** {@inheritDoc} */
    @Override
    public Set<String> getSupportedEngines() {
        return Set.of("PyTorch");
    }

    /** DJL itself would find no model there and not say where it looked. */
    private static void checkExists(String location, URI uri) {
        Path path = Path.of(uri.isOpaque() ? uri.getSchemeSpecificPart() : uri.getPath());
        if (!Files.exists(path)) {
            throw new IllegalArgumentException(location + ": no such folder or archive");
        }
        if (!Files.isDirectory(path) && !FilenameUtils.isArchiveFile(path.toString())) {
            throw new IllegalArgumentException(
                    location + ": expected a folder or an archive (.zip, .tar, .tar.gz, .tgz)");
        }
    }
}

package io.pbsattn.zoo.djl;

import ai.djl.repository.Artifact;
import ai.djl.repository.FilenameUtils;
import ai.djl.util.Progress;
import ai.djl.util.Utils;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLConnection;
import java.nio.file.Path;
import java.util.Map;

/**
 * An archive in a jar, by Java's own URL {@code jar:file:/my.jar!/model.zip}; DJL's factory knows
 * only paths on the class path.
 */
final class JarUrlRepository extends DecoderRepository {

    private static final String GROUP = "io.pbsattn.jar";

    JarUrlRepository(String name, URI uri) {
        // The name that DJL's cache gives it; a jar that changed has to have another name.
        super(name, uri, GROUP, Utils.hash(uri.toString()), Map.of("archive", item(uri)));
    }

    /** Whether a URL names an entry of a jar. */
    static boolean isFor(URI uri) {
        return "jar".equals(uri.getScheme()) && uri.isOpaque();
    }

    private static Artifact.Item item(URI uri) {
        if (!FilenameUtils.isArchiveFile(uri.toString())) {
            throw new IllegalArgumentException(
                    uri + ": expected an archive (.zip, .tar, .tar.gz, .tgz) in a jar");
        }
        Artifact.Item item = new Artifact.Item();
        item.setUri(uri.toString());
        item.setName(""); // no folder of its own
        item.setSize(-1);
        return item;
    }

    /** {@inheritDoc} */
    @Override
    protected void download(Path folder, URI base, Artifact.Item item, Progress progress)
            throws IOException {
        URLConnection connection = getBaseUri().toURL().openConnection();
        connection.setUseCaches(false); // else the jar would stay open
        try (InputStream in = connection.getInputStream()) {
            save(in, folder, item, progress);
        } catch (FileNotFoundException e) {
            throw new IOException(getBaseUri() + ": no such jar, or no such entry in it", e);
        }
    }
}

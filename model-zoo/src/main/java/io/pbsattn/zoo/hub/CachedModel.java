package io.pbsattn.zoo.hub;

import java.nio.file.Path;
import java.util.List;

/**
 * A model in the cache, at one commit.
 *
 * @param name {@code org/model}
 * @param commit of the hub
 * @param revisions branches and tags that were this commit when they were last asked for
 * @param bytes the size of its files
 * @param complete whether everything is there that running it needs
 * @param path its folder
 */
public record CachedModel(
        String name,
        String commit,
        List<String> revisions,
        long bytes,
        boolean complete,
        Path path) {}

package io.pbsattn.zoo.hub;

import java.net.URI;

/**
 * A file on the hub.
 *
 * @param name its path in the model
 * @param url where it is to be had
 * @param etag what its content is called, and the name of its blob in the cache: the SHA-256 of
 *     large files, the SHA-1 that git gives others
 * @param bytes its size
 * @param digest the SHA-256 or git's SHA-1 of its content; empty if the hub states neither
 */
record HubFile(String name, URI url, String etag, long bytes, String digest) {}

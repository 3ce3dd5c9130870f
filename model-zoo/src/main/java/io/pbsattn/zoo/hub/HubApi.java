package io.pbsattn.zoo.hub;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** The questions that the hub answers: which files a model has, and what each is. */
final class HubApi {

    private static final int MAX_LISTING_BYTES = 64 << 20;

    private final HubHttp http;
    private final Retry retry;
    private final URI endpoint;

    HubApi(HubHttp http, Retry retry, URI endpoint) {
        this.http = http;
        this.retry = retry;
        this.endpoint = endpoint;
    }

    /**
     * What a model is at a revision.
     *
     * @param commit that the revision is now
     * @param files its files by their names; no name leads out of the folder
     */
    record Listing(String commit, Map<String, Stated> files) {

        Set<String> names() {
            return files.keySet();
        }
    }

    /**
     * What a listing states about a file.
     *
     * @param bytes its size; -1 if it is not stated
     * @param digest the SHA-256 or git's SHA-1 of its content; empty if neither is stated
     */
    record Stated(long bytes, String digest) {}

    /**
     * Lists a model's files.
     *
     * @param attempts how often to try at most
     */
    Listing list(HubModelId model, int attempts) throws IOException {
        URI uri =
                URI.create(
                        endpoint
                                + "/api/models/"
                                + model.name()
                                + "/revision/"
                                + encode(model.revision())
                                + "?blobs=true");
        String what = model.toString();
        byte[] body = retry.run(what, attempts, () -> http.read(what, uri, MAX_LISTING_BYTES));
        try {
            return parse(what, JsonParser.parseString(new String(body, StandardCharsets.UTF_8)));
        } catch (JsonParseException | IllegalStateException | UnsupportedOperationException e) {
            throw new HubException(what + ": " + uri + " does not answer as a hub does", e);
        }
    }

    private static Listing parse(String what, JsonElement answer) throws HubException {
        JsonObject json = answer.getAsJsonObject();
        if (!json.has("sha") || !json.has("siblings")) {
            throw new HubException(
                    what + ": expected 'sha' and 'siblings', found " + json.keySet());
        }
        String commit = json.get("sha").getAsString();
        if (!HubModelId.isCommit(commit)) {
            throw new HubException(
                    what + ": expected a commit of 40 hexadecimal digits, found '" + commit + "'");
        }
        Map<String, Stated> files = new LinkedHashMap<>();
        for (JsonElement element : json.get("siblings").getAsJsonArray()) {
            JsonObject sibling = element.getAsJsonObject();
            JsonElement name = sibling.get("rfilename");
            if (name == null) {
                throw new HubException(what + ": expected 'rfilename', found " + sibling);
            }
            FileNames.checkInside(what, name.getAsString());
            files.put(name.getAsString(), stated(sibling));
        }
        return new Listing(commit, files);
    }

    /**
     * Large files have a SHA-256 in 'lfs', others git's SHA-1 as 'blobId'; mirrors may have none.
     */
    private static Stated stated(JsonObject sibling) {
        JsonElement size = sibling.get("size");
        JsonElement digest = sibling.get("blobId");
        if (sibling.get("lfs") instanceof JsonObject lfs) {
            size = lfs.has("size") ? lfs.get("size") : size;
            digest = lfs.get("sha256");
        }
        return new Stated(
                size == null || size.isJsonNull() ? -1 : size.getAsLong(),
                digest == null || digest.isJsonNull() ? "" : digest.getAsString());
    }

    /** Asks what a file is. */
    HubFile describe(HubModelId model, Listing listing, String name) throws IOException {
        String what = model + ": " + name;
        URI uri =
                URI.create(
                        endpoint
                                + "/"
                                + model.name()
                                + "/resolve/"
                                + listing.commit()
                                + "/"
                                + encode(name));
        return retry.run(
                what,
                Retry.ATTEMPTS,
                () -> http.describe(what, name, uri, listing.files().get(name)));
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }
}

package io.pbsattn.zoo.hub;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

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
     * @param names of its files; none leads out of the folder
     */
    record Listing(String commit, List<String> names) {}

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
                                + encode(model.revision()));
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
        List<String> names = new ArrayList<>();
        for (JsonElement sibling : json.get("siblings").getAsJsonArray()) {
            JsonElement name = sibling.getAsJsonObject().get("rfilename");
            if (name == null) {
                throw new HubException(what + ": expected 'rfilename', found " + sibling);
            }
            FileNames.checkInside(what, name.getAsString());
            names.add(name.getAsString());
        }
        return new Listing(commit, names);
    }

    /** Asks what a file is. */
    HubFile describe(HubModelId model, String commit, String name) throws IOException {
        String what = model + ": " + name;
        URI uri =
                URI.create(
                        endpoint + "/" + model.name() + "/resolve/" + commit + "/" + encode(name));
        return retry.run(what, Retry.ATTEMPTS, () -> http.describe(what, name, uri));
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }
}

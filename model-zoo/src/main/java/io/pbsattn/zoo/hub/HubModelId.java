package io.pbsattn.zoo.hub;

import java.util.regex.Pattern;

/**
 * A model on the hub.
 *
 * @param name {@code org/model}, or {@code model} for the few that have no organisation
 * @param revision a branch, a tag or a commit of 40 hexadecimal digits
 */
public record HubModelId(String name, String revision) {

    /** The scheme of the URLs that name a model. */
    public static final String SCHEME = "hf";

    private static final String PREFIX = SCHEME + "://";
    private static final String MAIN = "main";
    private static final Pattern NAME = Pattern.compile("(\\w[\\w.-]*/)?\\w[\\w.-]*");
    private static final Pattern REVISION = Pattern.compile("\\w[\\w.+-]*(/\\w[\\w.+-]*)*");
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    /**
     * Checks the parts: they become names of folders.
     *
     * @param name {@code org/model}
     * @param revision a branch, tag or commit
     * @throws IllegalArgumentException if one is not what the hub allows
     */
    public HubModelId {
        // The cache writes '/' as "--", so the hub allows no "--" in names.
        if (!NAME.matcher(name).matches() || name.contains("..") || name.contains("--")) {
            throw new IllegalArgumentException(
                    "expected a model as org/model, found '" + name + "'");
        }
        if (!REVISION.matcher(revision).matches() || revision.contains("..")) {
            throw new IllegalArgumentException(
                    name + ": expected a branch, tag or commit, found '" + revision + "'");
        }
    }

    /**
     * Tells whether a text is meant as a model on the hub.
     *
     * @param text any text
     * @return true if it begins with {@code hf://}
     */
    public static boolean isUrl(String text) {
        return text.startsWith(PREFIX);
    }

    /**
     * Reads a URL.
     *
     * @param url {@code hf://org/model} or {@code hf://org/model@revision}; a query is left out
     * @return the model; its revision is {@code main} unless another is named
     * @throws IllegalArgumentException if it is not of that form
     */
    public static HubModelId parse(String url) {
        if (!isUrl(url)) {
            throw new IllegalArgumentException(
                    "expected hf://org/model[@revision], found '" + url + "'");
        }
        int query = url.indexOf('?');
        String path = url.substring(PREFIX.length(), query < 0 ? url.length() : query);
        int at = path.indexOf('@');
        String name = at < 0 ? path : path.substring(0, at);
        return new HubModelId(
                name.endsWith("/") ? name.substring(0, name.length() - 1) : name,
                at < 0 ? MAIN : path.substring(at + 1));
    }

    /** Tells whether the revision is a commit, which never changes. */
    boolean isCommit() {
        return isCommit(revision);
    }

    static boolean isCommit(String text) {
        return COMMIT.matcher(text).matches();
    }

    /** {@inheritDoc} */
    @Override
    public String toString() {
        return PREFIX + name + (MAIN.equals(revision) ? "" : '@' + revision);
    }
}

package io.pbsattn.zoo.hub;

import ai.djl.util.Utils;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import java.util.Set;

/**
 * Where models come from and where they are kept. The names and their meaning are those of
 * huggingface_hub, as environment variables or, as everywhere in DJL, system properties:
 *
 * <ul>
 *   <li>{@code HF_ENDPOINT}: the hub; default {@code https://huggingface.co}
 *   <li>{@code HF_TOKEN}, or else the file {@code HF_TOKEN_PATH}, by default {@code token} in
 *       {@code HF_HOME}: the user's token
 *   <li>{@code HF_HUB_CACHE}: the cache; default {@code hub} in {@code HF_HOME}, which by default
 *       is {@code huggingface} in {@code XDG_CACHE_HOME} or {@code ~/.cache}
 *   <li>{@code HF_HUB_OFFLINE}: 1, on, yes or true: only what is in the cache; {@code DJL_OFFLINE}
 *       and {@code ai.djl.offline} of DJL say the same
 *   <li>{@code HF_HUB_DOWNLOAD_TIMEOUT}: seconds without a byte after which a request is given up;
 *       default 30
 *   <li>{@code HF_HUB_ETAG_TIMEOUT}: seconds after which a hub that cannot be reached is given up,
 *       all attempts together; default 12
 * </ul>
 */
public final class HubSettings {

    private static final Set<String> YES = Set.of("1", "ON", "YES", "TRUE");
    private static final long DEFAULT_TIMEOUT_SECONDS = 30;
    private static final long DEFAULT_REACH_SECONDS = 12;

    /** The longest wait for one connection; a second attempt must fit. */
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(5);

    private URI endpoint;
    private Path cache;
    private String token;
    private boolean offline;
    private Duration timeout = Duration.ofSeconds(DEFAULT_TIMEOUT_SECONDS);
    private Duration reachTimeout = Duration.ofSeconds(DEFAULT_REACH_SECONDS);

    private HubSettings() {}

    /**
     * Reads the settings of this process.
     *
     * @return the settings
     * @throws IllegalArgumentException naming a setting and what was expected of it
     */
    public static HubSettings fromEnvironment() {
        HubSettings settings = new HubSettings();
        Path home = home();
        settings.optEndpoint(value("HF_ENDPOINT", "https://huggingface.co"));
        settings.cache = path(value("HF_HUB_CACHE", home.resolve("hub").toString()));
        settings.optToken(value("HF_TOKEN", read(path(value("HF_TOKEN_PATH", home + "/token")))));
        settings.offline = isHubOffline() || Utils.isOfflineMode();
        settings.optTimeout(seconds("HF_HUB_DOWNLOAD_TIMEOUT", DEFAULT_TIMEOUT_SECONDS));
        settings.optReachTimeout(seconds("HF_HUB_ETAG_TIMEOUT", DEFAULT_REACH_SECONDS));
        return settings;
    }

    /**
     * Tells whether {@code HF_HUB_OFFLINE} is set, whatever DJL's own settings are.
     *
     * @return true if it says yes
     */
    public static boolean isHubOffline() {
        return YES.contains(value("HF_HUB_OFFLINE", "").toUpperCase(Locale.ROOT));
    }

    /**
     * Returns the hub.
     *
     * @return its address, without a slash at the end
     */
    public URI endpoint() {
        return endpoint;
    }

    /**
     * Sets the hub.
     *
     * @param url an http or https address
     * @return these settings
     * @throws IllegalArgumentException if it is something else
     */
    public HubSettings optEndpoint(String url) {
        URI uri;
        try {
            uri = URI.create(url.replaceAll("/+$", ""));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "HF_ENDPOINT: expected a URL, found '" + url + "'", e);
        }
        if (uri.getHost() == null
                || !("https".equals(uri.getScheme()) || "http".equals(uri.getScheme()))) {
            throw new IllegalArgumentException(
                    "HF_ENDPOINT: expected an http or https URL, found '" + url + "'");
        }
        endpoint = uri;
        return this;
    }

    /**
     * Returns the folder that models are kept in.
     *
     * @return the folder
     */
    public Path cache() {
        return cache;
    }

    /**
     * Sets the folder that models are kept in.
     *
     * @param folder is made where it is missing
     * @return these settings
     */
    public HubSettings optCache(Path folder) {
        cache = folder;
        return this;
    }

    /** Returns the user's token, which only the hub itself may see; empty if there is none. */
    String token() {
        return token;
    }

    /**
     * Sets the user's token.
     *
     * @param value the token; empty for none
     * @return these settings
     * @throws IllegalArgumentException if no token looks like that; does not show it
     */
    public HubSettings optToken(String value) {
        String stripped = value.strip();
        if (!stripped.matches("[!-~]*")) {
            throw new IllegalArgumentException(
                    "HF_TOKEN: expected letters, digits and signs without spaces");
        }
        token = stripped;
        return this;
    }

    /**
     * Tells whether only what is in the cache may be used.
     *
     * @return true if nothing is downloaded
     */
    public boolean isOffline() {
        return offline;
    }

    /**
     * Sets whether only what is in the cache may be used.
     *
     * @param value true to download nothing
     * @return these settings
     */
    public HubSettings optOffline(boolean value) {
        offline = value;
        return this;
    }

    /** Returns how long a request may go without a byte. */
    Duration timeout() {
        return timeout;
    }

    /**
     * Sets how long a request may go without a byte before it is given up and tried again.
     *
     * @param value more than zero
     * @return these settings
     * @throws IllegalArgumentException if it is not
     */
    public HubSettings optTimeout(Duration value) {
        if (value.isNegative() || value.isZero()) {
            throw new IllegalArgumentException(
                    "HF_HUB_DOWNLOAD_TIMEOUT: expected more than zero, found " + value);
        }
        timeout = value;
        return this;
    }

    /** Returns how long a hub that cannot be reached is tried. */
    Duration reachTimeout() {
        return reachTimeout;
    }

    /** Returns how long one attempt to connect may take. */
    Duration connectTimeout() {
        return shorter(CONNECT_TIMEOUT, shorter(timeout, reachTimeout));
    }

    private static Duration shorter(Duration a, Duration b) {
        return a.compareTo(b) < 0 ? a : b;
    }

    /**
     * Sets how long a hub that cannot be reached is tried, all attempts together.
     *
     * @param value more than zero
     * @return these settings
     * @throws IllegalArgumentException if it is not
     */
    public HubSettings optReachTimeout(Duration value) {
        if (value.isNegative() || value.isZero()) {
            throw new IllegalArgumentException(
                    "HF_HUB_ETAG_TIMEOUT: expected more than zero, found " + value);
        }
        reachTimeout = value;
        return this;
    }

    private static Duration seconds(String name, long missing) {
        String seconds = value(name, "" + missing);
        try {
            return Duration.ofSeconds(Long.parseLong(seconds));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    name + ": expected seconds, found '" + seconds + "'", e);
        }
    }

    private static Path home() {
        String caches = value("XDG_CACHE_HOME", "~/.cache");
        return path(value("HF_HOME", caches + "/huggingface"));
    }

    private static String value(String name, String missing) {
        String value = Utils.getEnvOrSystemProperty(name);
        return value == null || value.isEmpty() ? missing : value;
    }

    private static Path path(String text) {
        boolean isInHome = "~".equals(text) || text.startsWith("~/");
        return isInHome
                ? Path.of(System.getProperty("user.home") + text.substring(1))
                : Path.of(text);
    }

    private static String read(Path file) {
        try {
            return Files.isRegularFile(file)
                    ? Files.readString(file, StandardCharsets.ISO_8859_1)
                    : "";
        } catch (IOException e) {
            throw new IllegalArgumentException(file + ": the token cannot be read", e);
        }
    }
}

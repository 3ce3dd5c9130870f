package io.pbsattn.zoo.djl;

import java.io.IOException;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;

/**
 * The settings that stand in a model's folder. DJL hands the keys of {@code serving.properties} on
 * as arguments, except those with the prefix {@code option.}, which never reach a block; both forms
 * are to mean the same.
 */
final class ServingProperties {

    private static final String FILE = "serving.properties";
    private static final String PREFIX = "option.";

    private ServingProperties() {}

    /**
     * Adds what the folder's file has under the prefix to arguments, which come first.
     *
     * @param folder a model's folder, with or without the file
     * @param arguments names to values
     * @return all of them
     */
    static Map<String, Object> addTo(Map<String, ?> arguments, Path folder) throws IOException {
        Map<String, Object> all = new HashMap<>(arguments);
        Path file = folder.resolve(FILE);
        if (Files.isRegularFile(file)) {
            Properties properties = new Properties();
            try (Reader reader = Files.newBufferedReader(file)) {
                properties.load(reader);
            } catch (CharacterCodingException | IllegalArgumentException e) {
                throw new IOException(file + ": not properties: " + e.getMessage(), e);
            }
            for (String key : properties.stringPropertyNames()) {
                if (key.startsWith(PREFIX)) {
                    all.putIfAbsent(key.substring(PREFIX.length()), properties.getProperty(key));
                }
            }
        }
        return all;
    }
}

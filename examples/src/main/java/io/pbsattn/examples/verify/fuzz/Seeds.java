package io.pbsattn.examples.verify.fuzz;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Good input, from which bad input is made. */
final class Seeds {

    private static final String DEMO = "/models/retriever/";
    private static final String FOLDER = "/fuzz/";
    private static final List<String> TEMPLATES =
            List.of("tools.jinja", "blocks.jinja", "strings.jinja");

    private Seeds() {}

    /** A file of the demo model. */
    static JsonElement demo(String name) throws IOException {
        return JsonParser.parseString(text(DEMO + name));
    }

    /** The elements of a file that holds an array of small examples. */
    static List<JsonElement> examples(String name) throws IOException {
        JsonArray array = JsonParser.parseString(text(FOLDER + name)).getAsJsonArray();
        List<JsonElement> elements = new ArrayList<>();
        array.forEach(elements::add);
        return elements;
    }

    /** Chat templates, that of the demo model among them. */
    static List<String> templates() throws IOException {
        List<String> templates = new ArrayList<>();
        for (String name : TEMPLATES) {
            templates.add(text(FOLDER + "templates/" + name));
        }
        JsonElement demo = demo("tokenizer_config.json").getAsJsonObject().get("chat_template");
        templates.add(demo.getAsString());
        return templates;
    }

    static <T> T pick(SplittableRandom random, List<T> list) {
        return list.get(random.nextInt(list.size()));
    }

    private static String text(String resource) throws IOException {
        try (InputStream in = Seeds.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new FileNotFoundException(resource + ": no such resource");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}

package io.pbsattn.zoo;

import ai.djl.Model;
import ai.djl.inference.streaming.IteratorBytesSupplier;
import ai.djl.modality.Input;
import ai.djl.modality.Output;
import ai.djl.ndarray.BytesSupplier;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.stream.StreamSupport;

/**
 * Answers requests of DJL Serving. A body of JSON, {@code {"inputs": "...", "parameters": {...}}},
 * may bring options of its own, and is answered in JSON; any other body is the message. Streamed
 * answers are text in either case.
 */
final class ServingTranslator extends TextGenerationTranslator<Input, Output> {

    private static final String INPUTS = "inputs";
    private static final String PARAMETERS = "parameters";
    private static final String CONTENT_TYPE = "Content-Type";

    private final Map<String, ?> arguments;

    ServingTranslator(Model model, Map<String, ?> arguments)
            throws IOException, CheckpointException {
        super(model);
        this.arguments = arguments;
        GenerationOptions.of(arguments); // says at once what is wrong with them
    }

    /** {@inheritDoc} */
    @Override
    String message(Input input) {
        JsonObject json = json(input);
        return json == null ? input.getData().getAsString() : json.get(INPUTS).getAsString();
    }

    /** {@inheritDoc} */
    @Override
    GenerationOptions options(Input input) {
        Map<String, Object> all = new HashMap<>(arguments);
        JsonObject json = json(input);
        if (json != null && json.has(PARAMETERS)) {
            JsonElement parameters = json.get(PARAMETERS);
            if (!parameters.isJsonObject()) {
                throw new IllegalArgumentException(
                        PARAMETERS + ": expected an object, found " + parameters);
            }
            parameters.getAsJsonObject().asMap().forEach((key, value) -> put(all, key, value));
        }
        return GenerationOptions.of(all);
    }

    private static void put(Map<String, Object> options, String key, JsonElement value) {
        if (value.isJsonArray()) {
            options.put(
                    key,
                    StreamSupport.stream(value.getAsJsonArray().spliterator(), false)
                            .map(JsonElement::getAsString)
                            .toList());
        } else if (value.isJsonPrimitive()) {
            options.put(key, value.getAsString());
        }
    }

    /** {@inheritDoc} */
    @Override
    Output whole(Input input, Generation answer) {
        String text = answer.result().text();
        if (json(input) == null) {
            return output(BytesSupplier.wrap(text), "text/plain; charset=utf-8");
        }
        JsonObject object = new JsonObject();
        object.addProperty("generated_text", text);
        return output(BytesSupplier.wrap(object.toString()), "application/json");
    }

    /** {@inheritDoc} */
    @Override
    Output streamed(Input input, Generation answer) {
        Iterator<BytesSupplier> pieces =
                new Iterator<>() {
                    @Override
                    public boolean hasNext() {
                        return answer.hasNext();
                    }

                    @Override
                    public BytesSupplier next() {
                        return BytesSupplier.wrap(answer.next());
                    }
                };
        return output(new IteratorBytesSupplier(pieces), "text/plain; charset=utf-8");
    }

    private static Output output(BytesSupplier data, String contentType) {
        Output output = new Output();
        output.addProperty(CONTENT_TYPE, contentType);
        output.add(data);
        return output;
    }

    /** The body as JSON with a message in it; null if it is something else. */
    private static JsonObject json(Input input) {
        String text = input.getData().getAsString();
        if (!text.startsWith("{")) {
            return null;
        }
        try {
            JsonElement element = JsonParser.parseString(text);
            boolean hasMessage =
                    element.isJsonObject()
                            && element.getAsJsonObject().has(INPUTS)
                            && element.getAsJsonObject().get(INPUTS).isJsonPrimitive();
            return hasMessage ? element.getAsJsonObject() : null;
        } catch (JsonParseException e) {
            return null; // a message that happens to begin with a brace
        }
    }
}

package io.pbsattn.zoo.djl;

import ai.djl.Model;
import ai.djl.inference.streaming.IteratorBytesSupplier;
import ai.djl.modality.Input;
import ai.djl.modality.Output;
import ai.djl.ndarray.BytesSupplier;
import ai.djl.translate.TranslateException;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import io.pbsattn.util.NearestName;
import io.pbsattn.zoo.checkpoint.CheckpointException;
import io.pbsattn.zoo.generate.Generation;
import io.pbsattn.zoo.generate.GenerationOptions;
import java.io.IOException;
import java.util.Collection;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;

/**
 * What DJL Serving speaks: a request and its answer. Plain text is answered with plain text. JSON
 * of the form {@code {"inputs": "text", "parameters": {"temperature": 0.7}}}, whose parameters are
 * those of {@link GenerationOptions#of} and may be left out, is answered with {@code
 * {"generated_text": "text"}}. Streamed answers are plain text in either case.
 *
 * <p>A request that cannot be answered is refused by an exception, of which DJL Serving makes an
 * answer with code 400. One of several gets that answer here, so that the others get theirs.
 */
final class ServingTextTranslator extends TextGenerationTranslator<Input, Output> {

    private static final String INPUTS = "inputs";
    private static final String PARAMETERS = "parameters";
    private static final String CONTENT_TYPE = "Content-Type";
    private static final String JSON = "application/json";
    private static final String TEXT = "text/plain; charset=utf-8";
    private static final int BAD_REQUEST = 400;

    private final Map<String, ?> arguments;

    ServingTextTranslator(Model model, Map<String, ?> arguments)
            throws IOException, CheckpointException {
        super(model);
        this.arguments = arguments;
        GenerationOptions.of(arguments); // says at once what is wrong with them
    }

    /** {@inheritDoc} */
    @Override
    String message(Input input) throws TranslateException {
        if (input.getContent().isEmpty()) {
            throw new TranslateException("the request is empty; expected a text");
        }
        String body = input.getData().getAsString();
        if (!isJson(input)) {
            return body;
        }
        JsonElement text = json(input).get(INPUTS);
        boolean isText =
                text != null && text.isJsonPrimitive() && text.getAsJsonPrimitive().isString();
        if (!isText) {
            throw new TranslateException("key 'inputs' of the request: expected a text");
        }
        return text.getAsString();
    }

    /** {@inheritDoc} */
    @Override
    GenerationOptions options(Input input) throws TranslateException {
        Map<String, Object> all = new HashMap<>(arguments);
        JsonElement parameters = isJson(input) ? json(input).get(PARAMETERS) : null;
        if (parameters != null) {
            if (!parameters.isJsonObject()) {
                throw new TranslateException("key 'parameters' of the request: expected an object");
            }
            for (Map.Entry<String, JsonElement> entry : parameters.getAsJsonObject().entrySet()) {
                if (!GenerationOptions.KEYS.contains(entry.getKey())) {
                    throw unknown("parameter", entry.getKey(), GenerationOptions.KEYS);
                }
                put(all, entry.getKey(), entry.getValue());
            }
        }
        return GenerationOptions.of(all);
    }

    private static TranslateException unknown(String what, String key, Collection<String> known) {
        return new TranslateException(
                "the request: " + NearestName.unknown(what, key, known).getMessage());
    }

    private static void put(Map<String, Object> options, String key, JsonElement value) {
        if (value.isJsonArray()) {
            options.put(
                    key,
                    StreamSupport.stream(value.getAsJsonArray().spliterator(), false)
                            .map(ServingTextTranslator::plain)
                            .toList());
        } else if (!value.isJsonNull()) {
            options.put(key, plain(value));
        }
    }

    /** A string as it is; what is none is named as JSON by whoever expects one. */
    private static Object plain(JsonElement value) {
        return value.isJsonPrimitive() && value.getAsJsonPrimitive().isString()
                ? value.getAsString()
                : value;
    }

    /** {@inheritDoc} */
    @Override
    Output whole(Input input, Generation answer) {
        String text = answer.result().text();
        if (!isJson(input)) {
            return output(BytesSupplier.wrap(text), TEXT);
        }
        JsonObject object = new JsonObject();
        object.addProperty("generated_text", text);
        return output(BytesSupplier.wrap(object.toString()), JSON);
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
        return output(new IteratorBytesSupplier(pieces), TEXT);
    }

    /**
     * {@inheritDoc}
     *
     * <p>It looks like what DJL Serving itself answers to a {@link TranslateException}.
     */
    @Override
    Output refused(int index, Exception why) {
        JsonObject object = new JsonObject();
        object.addProperty("code", BAD_REQUEST);
        object.addProperty("type", TranslateException.class.getSimpleName());
        object.addProperty("message", why.getMessage());
        // The server makes this message the reason phrase of HTTP's status line, where neither line
        // breaks nor long texts, as a request may bring them in, have a place.
        Output output = new Output(BAD_REQUEST, "Bad Request");
        return filled(output, BytesSupplier.wrap(object.toString()), JSON);
    }

    private static Output output(BytesSupplier data, String contentType) {
        return filled(new Output(), data, contentType);
    }

    private static Output filled(Output output, BytesSupplier data, String contentType) {
        output.addProperty(CONTENT_TYPE, contentType);
        output.add(data);
        return output;
    }

    private static boolean isJson(Input input) {
        return input.getProperty(CONTENT_TYPE, "text/plain").startsWith(JSON);
    }

    private static JsonObject json(Input input) throws TranslateException {
        JsonElement element;
        try {
            element = JsonParser.parseString(input.getData().getAsString());
        } catch (JsonParseException e) {
            // Without a cause: the server tells its client the innermost message alone.
            Throwable root = e.getCause() == null ? e : e.getCause();
            throw new TranslateException("the request is not JSON: " + root.getMessage());
        }
        if (!element.isJsonObject()) {
            throw new TranslateException("the request is not a JSON object");
        }
        JsonObject json = element.getAsJsonObject();
        for (String key : json.keySet()) {
            if (!INPUTS.equals(key) && !PARAMETERS.equals(key)) {
                throw unknown("key", key, List.of(INPUTS, PARAMETERS));
            }
        }
        return json;
    }
}

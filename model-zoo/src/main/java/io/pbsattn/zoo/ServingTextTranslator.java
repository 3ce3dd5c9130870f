package io.pbsattn.zoo;

import ai.djl.modality.Input;
import ai.djl.modality.Output;
import ai.djl.ndarray.BytesSupplier;
import ai.djl.ndarray.NDList;
import ai.djl.translate.Batchifier;
import ai.djl.translate.TranslateException;
import ai.djl.translate.Translator;
import ai.djl.translate.TranslatorContext;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;

/**
 * What DJL Serving speaks: a request and its answer. Plain text is answered with plain text, JSON
 * of the form {@code {"inputs": "text"}} with {@code {"generated_text": "text"}}.
 */
final class ServingTextTranslator implements Translator<Input, Output> {

    private static final String JSON = "application/json";
    private static final String TEXT_KEY = "inputs";
    private static final String ATTACHMENT = "isJson";

    private final Translator<String, String> translator;

    ServingTextTranslator(Translator<String, String> translator) {
        this.translator = translator;
    }

    /** {@inheritDoc} */
    @Override
    public void prepare(TranslatorContext ctx) throws Exception {
        translator.prepare(ctx);
    }

    /** {@inheritDoc} */
    @Override
    public NDList processInput(TranslatorContext ctx, Input input) throws Exception {
        boolean isJson = input.getProperty("Content-Type", "text/plain").startsWith(JSON);
        ctx.setAttachment(ATTACHMENT, isJson);
        // A form without the key "data" comes as an empty text.
        String body = input.getContent().isEmpty() ? "" : input.getData().getAsString();
        String text = isJson ? text(body) : body;
        if (text.isBlank()) {
            throw new TranslateException(
                    "the request holds no text; expected text/plain, or JSON with 'inputs'");
        }
        return translator.processInput(ctx, text);
    }

    private static String text(String body) throws TranslateException {
        JsonObject json;
        try {
            json = JsonParser.parseString(body).getAsJsonObject();
        } catch (JsonParseException | IllegalStateException e) {
            throw new TranslateException("the request is not a JSON object", e);
        }
        for (String key : json.keySet()) {
            if (!TEXT_KEY.equals(key)) {
                throw new TranslateException(
                        "key '" + key + "' of the request is not supported; expected 'inputs'");
            }
        }
        JsonElement text = json.get(TEXT_KEY);
        boolean isText =
                text != null && text.isJsonPrimitive() && text.getAsJsonPrimitive().isString();
        if (!isText) {
            throw new TranslateException("key 'inputs' of the request: expected a text");
        }
        return text.getAsString();
    }

    /** {@inheritDoc} */
    @Override
    public Output processOutput(TranslatorContext ctx, NDList list) throws Exception {
        String answer = translator.processOutput(ctx, list);
        Output output = new Output();
        if (Boolean.TRUE.equals(ctx.getAttachment(ATTACHMENT))) {
            JsonObject json = new JsonObject();
            json.addProperty("generated_text", answer);
            output.addProperty("Content-Type", JSON);
            output.add(BytesSupplier.wrap(json.toString()));
        } else {
            output.addProperty("Content-Type", "text/plain; charset=UTF-8");
            output.add(BytesSupplier.wrap(answer));
        }
        return output;
    }

    /** {@inheritDoc} */
    @Override
    public Batchifier getBatchifier() {
        return translator.getBatchifier();
    }
}

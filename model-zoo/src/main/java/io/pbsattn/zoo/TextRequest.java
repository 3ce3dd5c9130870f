package io.pbsattn.zoo;

/**
 * A prompt that is to be answered in text.
 *
 * @param ids of the prompt
 * @param options how it is to be answered
 * @param detokenizer turns the answer's ids into text
 */
record TextRequest(long[] ids, GenerationOptions options, Detokenizer detokenizer) {

    /** The answer of a stream that continues the prompt. */
    Generation answer(TokenStream tokens) {
        return new Generation(tokens, detokenizer, options.stop());
    }
}

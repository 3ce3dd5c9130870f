package io.pbsattn.langchain4j;

import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import io.pbsattn.zoo.generate.Generation;
import io.pbsattn.zoo.generate.GenerationResult;
import java.util.function.Function;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Hands an answer to LangChain4j's handler, piece by piece. A cancelled stream calls neither {@code
 * onCompleteResponse} nor {@code onError}; what the handler throws goes to its own {@code onError}
 * and does not end the stream, as LangChain4j has it.
 */
final class AnswerStream {

    private static final Logger LOGGER = LoggerFactory.getLogger(AnswerStream.class);

    private final StreamingChatResponseHandler handler;
    private final Function<GenerationResult, ChatResponse> response;

    AnswerStream(
            StreamingChatResponseHandler handler,
            Function<GenerationResult, ChatResponse> response) {
        this.handler = handler;
        this.response = response;
    }

    void run(Supplier<Generation> begin) {
        GenerationResult result;
        Handle handle = new Handle();
        try (Generation answer = begin.get()) {
            handle.answer = answer;
            PartialResponseContext context = new PartialResponseContext(handle);
            while (answer.hasNext()) {
                PartialResponse piece = new PartialResponse(answer.next());
                if (handle.isCancelled()) {
                    return;
                }
                call(() -> handler.onPartialResponse(piece, context));
            }
            result = answer.result();
        } catch (RuntimeException | Error e) {
            // An answer that could not be computed, or a model that was closed meanwhile.
            tell(e);
            return;
        }
        if (!handle.isCancelled()) {
            call(() -> handler.onCompleteResponse(response.apply(result)));
        }
    }

    private void call(Runnable callback) {
        try {
            callback.run();
        } catch (RuntimeException e) {
            tell(e);
        }
    }

    private void tell(Throwable error) {
        try {
            handler.onError(error);
        } catch (RuntimeException e) {
            LOGGER.warn("onError of a StreamingChatResponseHandler failed", e);
        }
    }

    /** The way to cancel, which a handler may use on any thread. */
    private static final class Handle implements StreamingHandle {

        private volatile Generation answer;
        private volatile boolean isCancelled;

        /** {@inheritDoc} */
        @Override
        public void cancel() {
            isCancelled = true;
            answer.cancel();
        }

        /** {@inheritDoc} */
        @Override
        public boolean isCancelled() {
            return isCancelled;
        }
    }
}

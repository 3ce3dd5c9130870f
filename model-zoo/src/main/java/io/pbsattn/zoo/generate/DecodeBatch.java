package io.pbsattn.zoo.generate;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.KvCache;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Token streams that decode together. A step runs when one of them is asked for a token whose
 * logits are not there yet; it takes along every other stream that has chosen its last token and is
 * to have another one, whose logits then wait until it is asked. So what comes out is the same in
 * whatever order the streams are asked, and asked in turn they all share each step.
 *
 * <p>A batch is the lock of its streams: while a step runs, none of them is closed.
 */
final class DecodeBatch {

    private final CausalLm model;
    private final List<TokenStream> streams = new ArrayList<>();

    DecodeBatch(CausalLm model) {
        this.model = model;
    }

    synchronized void add(TokenStream stream) {
        streams.add(stream);
    }

    synchronized void remove(TokenStream stream) {
        streams.remove(stream);
    }

    /**
     * Runs the last token of a stream, and of each other one that waits for it. A failure of the
     * step is the failure of the stream that asked; but if the cache of another one cannot take a
     * token, that one is left out, and fails when it is asked.
     */
    synchronized void step(TokenStream asked) {
        long begin = System.nanoTime();
        List<TokenStream> running = new ArrayList<>();
        for (TokenStream stream : streams) {
            if (stream == asked || (stream.awaitsStep() && canTakeToken(stream))) {
                running.add(stream);
            }
        }
        float[] logits;
        try (NDManager scope = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            long[] ids = running.stream().mapToLong(TokenStream::lastToken).toArray();
            List<KvCache> caches = running.stream().map(TokenStream::cache).toList();
            NDArray input = scope.create(ids, new Shape(ids.length, 1));
            logits = model.decode(input, caches).toFloatArray();
        }
        long nanos = System.nanoTime() - begin;
        int width = model.vocabSize();
        for (int i = 0; i < running.size(); ++i) {
            running.get(i).accept(Arrays.copyOfRange(logits, i * width, (i + 1) * width), nanos);
        }
    }

    private boolean canTakeToken(TokenStream stream) {
        try {
            model.prepareStep(stream.cache());
            return true;
        } catch (RuntimeException e) {
            stream.fail(e);
            return false;
        }
    }
}

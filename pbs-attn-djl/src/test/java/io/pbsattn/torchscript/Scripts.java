package io.pbsattn.torchscript;

import ai.djl.ModelException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import java.io.IOException;
import java.io.InputStream;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Random;

/** The TorchScript models of the tests. */
final class Scripts {

    static final String LLAMA = "llama_sdpa.pt";
    static final String BERT = "bert.pt";
    static final String PADDING = "llama_padding.pt";
    static final String KV_CACHE = "llama_kv_cache.pt";

    private static final String FOLDER = "/golden/torchscript/";

    private Scripts() {}

    static Path path(String name) {
        try {
            return Path.of(Scripts.class.getResource(FOLDER + name).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    static ZooModel<NDList, NDList> load(String name) throws IOException, ModelException {
        return Criteria.builder()
                .setTypes(NDList.class, NDList.class)
                .optModelPath(path(name))
                .optEngine("PyTorch")
                .build()
                .loadModel();
    }

    /** input_ids, logits_last and logits_every100 of {@link #LLAMA}. */
    static NDList expected(NDManager manager) throws IOException {
        try (InputStream in =
                Scripts.class.getResourceAsStream(FOLDER + "llama_sdpa_expected.npz")) {
            return NDList.decode(manager, in);
        }
    }

    static NDArray ids(NDManager manager, int vocabSize, int batch, int tokens) {
        long[] ids = new Random(tokens).longs((long) batch * tokens, 0, vocabSize).toArray();
        return manager.create(ids, new Shape(batch, tokens));
    }
}

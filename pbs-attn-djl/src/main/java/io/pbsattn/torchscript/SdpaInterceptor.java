package io.pbsattn.torchscript;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.pbsattn.PbsAttention;
import io.pbsattn.PbsConfig;
import io.pbsattn.torch.LibTorch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Puts Permuted Block-Sparse Attention into models that are already loaded: it stands in the place
 * of PyTorch's operator {@code aten::scaled_dot_product_attention}, which TorchScript models call
 * for their attention.
 *
 * <p>It is installed once per process and changes nothing by itself: without an open {@link
 * SdpaScope} of the calling thread, and where a call is not causal attention over a long sequence,
 * PyTorch's own kernels run and give the same bits as before. {@link TorchScriptModels} opens
 * scopes for whole models.
 */
public final class SdpaInterceptor {

    private static final String OPERATOR = "scaled_dot_product_attention";

    private static final Logger logger = LoggerFactory.getLogger(SdpaInterceptor.class);

    private SdpaInterceptor() {}

    /**
     * Installs the interceptor if it is not installed yet. Opening a scope does so too; call it
     * earlier where models run already in other threads.
     *
     * @throws IllegalStateException if libtorch refuses
     */
    public static void install() {
        Installation.ensure();
    }

    /**
     * Opens a scope for the calling thread.
     *
     * @param config the settings of sparse attention; its scale and window are not used, each call
     *     brings its own
     * @return the scope, to be closed by the same thread
     */
    public static SdpaScope open(PbsConfig config) {
        return open(PbsAttention.create(config));
    }

    /**
     * Opens a scope for the calling thread that runs an operator, for instance one on a forced
     * backend.
     *
     * @param operator its scale and window are not used, each call brings its own; without a forced
     *     backend PyTorch runs what no kernel takes
     * @return the scope, to be closed by the same thread
     */
    public static SdpaScope open(PbsAttention operator) {
        return open(operator, new SdpaStatistics());
    }

    static SdpaScope open(PbsAttention operator, SdpaStatistics statistics) {
        install();
        return new SdpaScope(operator, statistics);
    }

    /** What libtorch calls for every scaled dot product attention of the process. */
    private static NDArray attend(NDManager scope, Object[] arguments) {
        SdpaCall call = SdpaCall.of(arguments);
        SdpaScope current = SdpaScope.current();
        if (current != null) {
            return current.run(scope, call);
        }
        try {
            return TorchSdpa.forward(scope, call);
        } catch (RuntimeException e) {
            logger.error("PyTorch refuses attention of {}", call, e);
            return call.unreadableOutput(scope);
        }
    }

    /** Done by the class loader: once, and before anybody goes on. */
    private static final class Installation {

        static {
            replace("CPU");
            if (Engine.getEngine("PyTorch").getGpuCount() > 0) {
                replace("CUDA");
            }
        }

        private static void replace(String dispatchKey) {
            LibTorch.get()
                    .replace(OPERATOR, dispatchKey, SdpaCall.SIGNATURE, SdpaInterceptor::attend);
        }

        static void ensure() {}
    }
}

package io.pbsattn.backend.cpu;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.sun.jna.Memory;
import io.pbsattn.AttentionOutput;
import io.pbsattn.KeyOrder;
import io.pbsattn.PrefillReport;
import io.pbsattn.SequenceLengths;
import io.pbsattn.backend.AttentionBackend;
import io.pbsattn.backend.AttentionRequest;
import io.pbsattn.kernels.AttentionCall;
import io.pbsattn.kernels.NativeKernels;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.List;
import java.util.Optional;

/** Hands calls to the C++ kernels: addresses and strides of the arrays, nothing is copied. */
final class CpuBackend implements AttentionBackend {

    static final String NAME = "cpu";

    private static final int MAX_HEAD_DIM = 256;

    private final NativeKernels kernels;

    CpuBackend(NativeKernels kernels) {
        this.kernels = kernels;
    }

    /** {@inheritDoc} */
    @Override
    public String name() {
        return NAME;
    }

    /** {@inheritDoc} */
    @Override
    public String isa() {
        return kernels.isa();
    }

    /** {@inheritDoc} */
    @Override
    public Optional<String> refusal(AttentionRequest request) {
        if (!NativeKernels.takes(request.type())) {
            return Optional.of("expected float32, bfloat16 or float16, found " + request.type());
        }
        if (request.headDim() > MAX_HEAD_DIM) {
            return Optional.of(
                    "expected headDim of at most " + MAX_HEAD_DIM + ", found " + request.headDim());
        }
        for (NDArray array : List.of(request.q(), request.k(), request.v())) {
            if (array.getDevice().isGpu()) {
                return Optional.of(
                        "expected arrays on the CPU, found them on " + array.getDevice());
            }
        }
        return Optional.empty();
    }

    /** {@inheritDoc} */
    @Override
    public AttentionOutput forward(AttentionRequest request) {
        long start = System.nanoTime();
        NDManager manager = request.q().getManager();
        Shape shape = request.q().getShape();
        boolean isGiven = canWrite(request.out());
        NDArray o = isGiven ? request.out() : output(manager, shape, request.type());
        NDArray lse =
                request.wantsLse() ? manager.create(shape.slice(0, 3), DataType.FLOAT32) : null;
        try (NDManager scope = manager.newSubManager();
                TraceMemory trace = TraceMemory.of(request)) {
            AttentionCall call = describe(request);
            // The arrays must stay reachable until the kernel has read them.
            NDArray q = rowContiguous(scope, request.q());
            NDArray k = rowContiguous(scope, request.k());
            NDArray v = rowContiguous(scope, request.v());
            call.q.set(q);
            call.k.set(k);
            call.v.set(v);
            call.o.set(o);
            call.lse = lse == null ? null : LibTorch.get().hostPointer(lse);
            try (Memory seqlensQ = lengths(request.lengths(), true);
                    Memory seqlensK = lengths(request.lengths(), false)) {
                call.seqlensQ = seqlensQ;
                call.seqlensK = seqlensK;
                trace.pointInto(call.trace);
                kernels.prefill(call);
            }
            trace.copyTo(request.trace());
            double seconds = (System.nanoTime() - start) / 1e9;
            PrefillReport report = report(call, seconds);
            return new AttentionOutput(isGiven ? o : request.finish(o), lse, report);
        } catch (RuntimeException | Error e) {
            if (!isGiven) {
                o.close();
            }
            if (lse != null) {
                lse.close();
            }
            throw e;
        }
    }

    private static boolean canWrite(NDArray out) {
        return out != null && LibTorch.get().strides(out)[3] == 1;
    }

    /**
     * An array of the queries' shape whose heads lie side by side in each row, as the linear layer
     * after attention reads them.
     */
    private static NDArray output(NDManager manager, Shape shape, TorchType type) {
        Shape rows = new Shape(shape.get(0), shape.get(2), shape.get(1), shape.get(3));
        try (NDArray storage = LibTorch.get().empty(manager, rows, type)) {
            return storage.swapAxes(1, 2);
        }
    }

    private static AttentionCall describe(AttentionRequest request) {
        AttentionCall call = new AttentionCall();
        call.dtype = NativeKernels.dtypeCode(request.q());
        call.batch = request.batch();
        call.numQHeads = request.numQHeads();
        call.numKvHeads = request.numKvHeads();
        call.headDim = request.headDim();
        call.maxSeqlenQ = request.seqlenQ();
        call.maxSeqlenK = request.seqlenK();
        call.blockSize = request.config().blockSize();
        call.segmentSize = request.config().segmentSize();
        call.threshold = request.config().threshold();
        call.softmaxScale = request.softmaxScale();
        call.forceFirstBlock = request.config().forceFirstBlock() ? 1 : 0;
        call.keyOrder = request.config().keyOrder() == KeyOrder.PER_KV_HEAD ? 1 : 0;
        call.minLength = request.config().minLength(request.type());
        call.window = request.config().window();
        return call;
    }

    /** The kernels take any strides, but the elements of a row must lie side by side. */
    private static NDArray rowContiguous(NDManager scope, NDArray array) {
        if (LibTorch.get().strides(array)[3] == 1 || array.getShape().get(3) == 1) {
            return array;
        }
        return LibTorch.get().toType(scope, array, TorchType.of(array));
    }

    private static Memory lengths(SequenceLengths lengths, boolean queries) {
        Memory memory = new Memory(4L * lengths.batch());
        for (int b = 0; b < lengths.batch(); ++b) {
            memory.setInt(4L * b, queries ? lengths.q(b) : lengths.k(b));
        }
        return memory;
    }

    private PrefillReport report(AttentionCall call, double seconds) {
        return new PrefillReport(
                NAME,
                kernels.isa(),
                call.keptBlocks,
                call.causalBlocks,
                call.permuteSeconds,
                call.selectSeconds,
                call.attendSeconds,
                seconds);
    }
}

package io.pbsattn.backend.cuda;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.pbsattn.AttentionOutput;
import io.pbsattn.PrefillReport;
import io.pbsattn.backend.AttentionBackend;
import io.pbsattn.backend.AttentionRequest;
import io.pbsattn.backend.BackendUnavailableException;
import io.pbsattn.torch.LibTorch;
import io.pbsattn.torch.TorchType;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Hands calls on arrays of a GPU to {@link CudaAttention}: addresses and strides on PyTorch's
 * context and current stream, nothing is copied.
 *
 * <p>A GPU is opened when the first call on it comes, and never closed, see {@link CudaDevice}.
 */
final class CudaBackend implements AttentionBackend {

    static final String NAME = "cuda";

    private static final Logger logger = LoggerFactory.getLogger(CudaBackend.class);

    private final CudaDriver driver;
    private final Map<Integer, Gpu> gpus;
    private final KernelManifest manifest;
    private final KernelImages images;
    private final long budget;
    private final Map<Integer, Opened> opened = new HashMap<>();

    /** A GPU that is open, or why it will never be. */
    private record Opened(CudaDevice device, String refusal) {}

    /**
     * Constructs the backend.
     *
     * @param driver the driver, initialised
     * @param gpus the GPUs of the machine, as PyTorch numbers them
     * @param manifest the kernels
     * @param images where their machine code is
     * @param budget bytes that a workspace keeps to where it can
     */
    CudaBackend(
            CudaDriver driver,
            List<Gpu> gpus,
            KernelManifest manifest,
            KernelImages images,
            long budget) {
        this.driver = driver;
        this.gpus = gpus.stream().collect(Collectors.toMap(Gpu::ordinal, gpu -> gpu));
        this.manifest = manifest;
        this.images = images;
        this.budget = budget;
    }

    /** {@inheritDoc} */
    @Override
    public String name() {
        return NAME;
    }

    /** The GPUs that it runs on. */
    @Override
    public String isa() {
        return gpus.values().stream()
                .filter(gpu -> gpu.refusal().isEmpty())
                .map(Gpu::toString)
                .collect(Collectors.joining("; "));
    }

    /** {@inheritDoc} */
    @Override
    public Optional<String> refusal(AttentionRequest request) {
        Device device = request.q().getDevice();
        if (!device.isGpu()) {
            return Optional.of("expected arrays on a GPU, found them on " + device);
        }
        if (!request.k().getDevice().equals(device) || !request.v().getDevice().equals(device)) {
            return Optional.of(
                    "expected k and v on the device of q, "
                            + device
                            + ", found "
                            + request.k().getDevice()
                            + " and "
                            + request.v().getDevice());
        }
        Optional<ElementType> type = ElementType.of(request.type());
        if (type.isEmpty()) {
            return Optional.of("expected bfloat16 or float16, found " + request.type());
        }
        Optional<String> shape =
                CudaCall.refusal(
                        manifest,
                        request.batch(),
                        request.numQHeads(),
                        request.numKvHeads(),
                        request.headDim(),
                        request.seqlenK(),
                        request.config());
        return shape.isPresent() ? shape : gpuRefusal(request, type.get());
    }

    /** Why the GPU does not run a call that the kernels take. */
    private Optional<String> gpuRefusal(AttentionRequest request, ElementType type) {
        int ordinal = request.q().getDevice().getDeviceId();
        Gpu gpu = gpus.get(ordinal);
        if (gpu == null) {
            return Optional.of("the NVIDIA driver shows no GPU " + ordinal);
        }
        if (gpu.refusal().isPresent()) {
            return gpu.refusal();
        }
        try {
            Opened state = open(gpu);
            if (state.refusal != null) {
                return Optional.of(state.refusal);
            }
            CudaTensor q =
                    CudaTensor.contiguous(
                            0, request.numQHeads(), request.seqlenQ(), request.headDim());
            CudaTensor k =
                    CudaTensor.contiguous(
                            0, request.numKvHeads(), request.seqlenK(), request.headDim());
            CudaCall call = call(request, type, q, k, k, q, 0);
            long bytes = new CudaAttention(state.device, budget).plan(call).workspace().bytes();
            long missing = state.device.missingBytes(bytes);
            return missing == 0
                    ? Optional.empty()
                    : Optional.of(
                            String.format(
                                    "the workspace takes %d bytes, %d more than are free on %s;"
                                            + " free some memory, or use a smaller batch",
                                    bytes, missing, gpu));
        } catch (CudaException e) {
            return Optional.of(e.getMessage());
        }
    }

    /** Opens a GPU if it is not open; what is wrong with its kernels stays wrong. */
    private Opened open(Gpu gpu) {
        synchronized (opened) {
            Opened state = opened.get(gpu.ordinal());
            if (state == null) {
                try {
                    CudaDevice device = CudaDevice.open(driver, gpu, manifest, images);
                    logger.info("Opened {} with kernels from {}", gpu, device.imageName());
                    state = new Opened(device, null);
                } catch (BackendUnavailableException e) {
                    state = new Opened(null, e.getMessage());
                }
                opened.put(gpu.ordinal(), state);
            }
            return state;
        }
    }

    /** {@inheritDoc} */
    @Override
    public AttentionOutput forward(AttentionRequest request) {
        long start = System.nanoTime();
        Device device = request.q().getDevice();
        Gpu gpu = gpus.get(device.getDeviceId());
        CudaDevice opened = open(gpu).device;
        ElementType type = ElementType.of(request.type()).orElseThrow();
        LibTorch torch = LibTorch.get();
        NDManager manager = request.q().getManager();
        NDArray o = output(manager, request.q().getShape(), request.type(), device);
        NDArray lse = null;
        try (NDManager scope = manager.newSubManager()) {
            if (request.wantsLse()) {
                Shape rows = request.q().getShape().slice(0, 3);
                lse = torch.empty(manager, rows, TorchType.FLOAT32, device);
            }
            // The arrays must stay open until the kernels have read them.
            NDArray q = readable(scope, request.q(), request.type());
            NDArray k = readable(scope, request.k(), request.type());
            NDArray v = readable(scope, request.v(), request.type());
            CudaCall call =
                    call(
                            request,
                            type,
                            tensor(q),
                            tensor(k),
                            tensor(v),
                            tensor(o),
                            lse == null ? 0 : torch.dataPointer(lse));
            CudaAttention.Result result =
                    new CudaAttention(opened, budget)
                            .run(call, torch.currentCudaStream(device.getDeviceId()));
            double seconds = (System.nanoTime() - start) / 1e9;
            PrefillReport report = report(gpu, call, result, seconds);
            return new AttentionOutput(request.finish(o), lse, report);
        } catch (RuntimeException | Error e) {
            o.close();
            if (lse != null) {
                lse.close();
            }
            throw e;
        }
    }

    private CudaCall call(
            AttentionRequest request,
            ElementType type,
            CudaTensor q,
            CudaTensor k,
            CudaTensor v,
            CudaTensor o,
            long lse) {
        return new CudaCall(
                manifest,
                type,
                q,
                k,
                v,
                o,
                lse,
                request.numQHeads(),
                request.numKvHeads(),
                request.headDim(),
                request.seqlenQ(),
                request.seqlenK(),
                request.lengths(),
                request.config(),
                request.trace());
    }

    /**
     * An array of the queries' shape whose heads lie side by side in each row, as the linear layer
     * after attention reads them.
     */
    private static NDArray output(NDManager manager, Shape shape, TorchType type, Device device) {
        Shape rows = new Shape(shape.get(0), shape.get(2), shape.get(1), shape.get(3));
        try (NDArray storage = LibTorch.get().empty(manager, rows, type, device)) {
            return storage.swapAxes(1, 2);
        }
    }

    /** The array itself, or a copy where the kernels cannot read it in place. */
    private NDArray readable(NDManager scope, NDArray array, TorchType type) {
        if (LibTorch.get().strides(array)[3] == 1
                && tensor(array).isAligned(manifest.constants().tensorAlignment())) {
            return array;
        }
        NDArray copy = LibTorch.get().empty(scope, array.getShape(), type, array.getDevice());
        LibTorch.get().copy(array, copy);
        return copy;
    }

    private static CudaTensor tensor(NDArray array) {
        long[] strides = LibTorch.get().strides(array);
        for (int i = 0; i < 3; ++i) {
            if (array.getShape().get(i) == 1) {
                strides[i] = 0; // The only index is 0, and PyTorch leaves anything there.
            }
        }
        return new CudaTensor(
                LibTorch.get().dataPointer(array), strides[0], strides[1], strides[2]);
    }

    private static PrefillReport report(
            Gpu gpu, CudaCall call, CudaAttention.Result result, double seconds) {
        return new PrefillReport(
                NAME,
                "sm_" + gpu.architecture(),
                result.keptBlocks(),
                call.causalBlocks(),
                result.seconds().getOrDefault(Launch.Stage.PERMUTE, 0.0),
                result.seconds().getOrDefault(Launch.Stage.SELECT, 0.0),
                result.seconds().getOrDefault(Launch.Stage.ATTEND, 0.0),
                seconds);
    }
}

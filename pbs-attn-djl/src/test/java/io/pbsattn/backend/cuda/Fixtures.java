package io.pbsattn.backend.cuda;

import io.pbsattn.AttentionTrace;
import io.pbsattn.PbsConfig;
import io.pbsattn.SequenceLengths;
import io.pbsattn.backend.BackendUnavailableException;
import io.pbsattn.backend.cuda.CubinCache.CompilationException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Calls, GPUs and kernels that tests of the host side begin with. */
final class Fixtures {

    static final Gpu H100 = gpu(9, 0);
    static final Gpu A100 = gpu(8, 0);

    private Fixtures() {}

    static Gpu gpu(int major, int minor) {
        return new Gpu(0, 0, "Test", major, minor, 80L << 30, 132, 227 << 10, true);
    }

    /** The headers that the kernels and the build's own manifest come from. */
    private static final Path HEADERS = Path.of("../native-kernels/include");

    /** A manifest as the build writes it, with every kernel of the header. */
    static String manifestJson() {
        List<String> fields = macros("pbs_cuda_fields.inc", "PBS_CUDA_FIELD\\(\\w+, (\\w+)\\)");
        List<String> constants =
                macros("pbs_cuda_constants.inc", "PBS_CUDA_CONSTANT\\((\\w+, \\d+)\\)");
        StringBuilder json = new StringBuilder("{\"abi\":2,\"call_size\":");
        json.append(Long.BYTES * fields.size()).append(",\"fields\":{");
        for (int i = 0; i < fields.size(); ++i) {
            json.append(i == 0 ? "" : ",");
            json.append("\"" + fields.get(i) + "\":" + Long.BYTES * i);
        }
        json.append("},\"constants\":{");
        json.append(
                constants.stream()
                        .map(c -> "\"" + c.toLowerCase(Locale.ROOT).replace(", ", "\":"))
                        .collect(Collectors.joining(",")));
        json.append("},\"architectures\":[\"sm_80\",\"sm_90a\",\"compute_90\"],\"kernels\":{");
        for (String name :
                new String[] {
                    "pbs_check_finite",
                    "pbs_clear_padding",
                    "pbs_pool_queries_bf16",
                    "pbs_pool_queries_f16",
                    "pbs_pack_bf16",
                    "pbs_pack_f16"
                }) {
            json.append(kernel(name, 256, 0, 0, 0)).append(',');
        }
        for (String name : new String[] {"pbs_sort_segments", "pbs_select", "pbs_schedule"}) {
            json.append(kernel(name, 256, -1, 0, 0)).append(',');
        }
        for (String type : new String[] {"bf16", "f16"}) {
            for (int d : new int[] {64, 96, 128, 256}) {
                String suffix = "_" + type + "_d" + d;
                json.append(kernel("pbs_score_sums" + suffix, 256, 65536, 0, 0)).append(',');
                json.append(kernel("pbs_score_keys" + suffix, 256, 65536, 0, 0)).append(',');
                json.append(kernel("pbs_attend" + suffix, 128, 98304, 0, 0)).append(',');
                json.append(kernel("pbs_attend_wgmma" + suffix, 384, 200000, 90, 3));
                json.append(type.equals("f16") && d == 256 ? "" : ",");
            }
        }
        json.append("},\"tma\":{");
        for (int d : new int[] {64, 96, 128, 256}) {
            json.append(d == 64 ? "" : ",");
            int columns = d % 64 == 0 ? 64 : 32;
            json.append("\"" + d + "\":{\"box_columns\":" + columns + ",\"q_rows\":128,");
            json.append("\"kv_rows\":" + (d <= 128 ? 128 : 64) + ",\"swizzle\":" + 2 * columns);
            json.append("}");
        }
        return json.append("}}").toString();
    }

    /** What the uses of a macro in a file hold. */
    private static List<String> macros(String file, String pattern) {
        try (Stream<String> lines = Files.lines(HEADERS.resolve(file))) {
            return lines.map(Pattern.compile("^" + pattern)::matcher)
                    .filter(Matcher::find)
                    .map(use -> use.group(1))
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String kernel(String name, int threads, int shared, int only, int maps) {
        return String.format(
                "\"%s\":{\"threads\":%d,\"shared\":%d,\"only\":%d,\"maps\":%d,\"registers\":100}",
                name, threads, shared, only, maps);
    }

    static KernelManifest manifest() {
        try {
            return KernelManifest.parse(manifestJson());
        } catch (BackendUnavailableException e) {
            throw new AssertionError(e);
        }
    }

    /** Images of which only the fatbin is there. */
    static KernelImages fatbin() {
        return new KernelImages(
                name -> {
                    if (name.equals(KernelImages.FATBIN)) {
                        return "fatbin".getBytes(StandardCharsets.UTF_8);
                    }
                    throw new CompilationException("the build packed no " + name);
                },
                Optional::empty,
                new CubinCache(Path.of("never-used")));
    }

    /** A sparse call without padding, on made-up addresses. */
    static CudaCall call(int qHeads, int kvHeads, int headDim, int seqlenQ, int seqlenK) {
        return call(
                qHeads,
                kvHeads,
                headDim,
                SequenceLengths.uniform(1, seqlenQ, seqlenK),
                seqlenQ,
                seqlenK,
                PbsConfig.builder().optMinLength(0).build(),
                null);
    }

    static CudaCall call(
            int qHeads,
            int kvHeads,
            int headDim,
            SequenceLengths lengths,
            int seqlenQ,
            int seqlenK,
            PbsConfig config,
            AttentionTrace trace) {
        CudaTensor q = CudaTensor.contiguous(1 << 20, qHeads, seqlenQ, headDim);
        CudaTensor k = CudaTensor.contiguous(2 << 20, kvHeads, seqlenK, headDim);
        CudaTensor v = CudaTensor.contiguous(3 << 20, kvHeads, seqlenK, headDim);
        CudaTensor o = CudaTensor.contiguous(4 << 20, qHeads, seqlenQ, headDim);
        return new CudaCall(
                manifest(),
                ElementType.BF16,
                q,
                k,
                v,
                o,
                5 << 20,
                qHeads,
                kvHeads,
                headDim,
                seqlenQ,
                seqlenK,
                lengths,
                config,
                trace);
    }
}

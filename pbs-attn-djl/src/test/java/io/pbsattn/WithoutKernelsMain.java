package io.pbsattn;

import ai.djl.inference.Predictor;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.repository.zoo.ZooModel;
import io.pbsattn.block.ModelAttention;
import io.pbsattn.torchscript.PbsScopedBlock;
import io.pbsattn.torchscript.TorchScriptModels;
import java.nio.file.Path;
import java.util.Random;

/** What {@link WithoutKernelsTest} runs in a process that has no kernels; prints what ran. */
final class WithoutKernelsMain {

    private static final PbsConfig SPARSE = PbsConfig.builder().optMinLength(0).build();

    private WithoutKernelsMain() {}

    /** Takes a TorchScript file with causal attention. */
    public static void main(String[] arguments) throws Exception {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray q =
                    Arrays4.normal(manager, new Random(1), 1, 2, 300, 32)
                            .toType(DataType.FLOAT32, false);
            ModelAttention model = new ModelAttention(PbsAttention.create(SPARSE));
            for (int call = 0; call < 3; ++call) {
                print("model", model.forward(q, q, q).report().backend());
            }
            PbsAttention bare = PbsAttention.create(SPARSE);
            for (int call = 0; call < 3; ++call) {
                print("bare", bare.forward(q, q, q).report().backend());
            }
            PbsAttention forced = PbsAttention.create(SPARSE, "reference");
            print("forced", forced.forward(q, q, q).report().backend());
            try {
                PbsAttention.create(SPARSE, "cpu");
            } catch (IllegalStateException e) {
                print("cpu", e.getMessage());
            }
        }
        try (ZooModel<NDList, NDList> model =
                        TorchScriptModels.criteria(
                                        NDList.class, NDList.class, Path.of(arguments[0]))
                                .optArgument("attention.min_length", "0")
                                .build()
                                .loadModel();
                Predictor<NDList, NDList> predictor = model.newPredictor()) {
            NDManager manager = model.getNDManager();
            NDArray ids = manager.zeros(new Shape(1, 1500), DataType.INT64);
            predictor.predict(new NDList(ids));
            PbsScopedBlock block = (PbsScopedBlock) model.getBlock();
            print("script", block.report().ranPbs() + " " + block.report().summary());
        }
    }

    private static void print(String key, String value) {
        System.out.println(key + "=" + value);
    }
}

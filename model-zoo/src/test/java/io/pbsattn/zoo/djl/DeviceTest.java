package io.pbsattn.zoo.djl;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import io.pbsattn.GpuClaim;
import io.pbsattn.zoo.Fixtures;
import io.pbsattn.zoo.model.CausalLm;
import io.pbsattn.zoo.model.KvCache;
import io.pbsattn.zoo.model.ModelOptions;
import io.pbsattn.zoo.model.PrefillOptions;
import org.testng.Assert;
import org.testng.annotations.Test;

/** Models run on the CPU; asked for elsewhere they say so. */
public class DeviceTest {

    private static final String REASON = "device: models run on the CPU, found gpu(0)";

    @Test
    public void aModelForAGpuIsRefused() {
        Criteria<String, String> criteria =
                Decoders.criteria(String.class, String.class, Fixtures.RETRIEVER)
                        .optDevice(Device.gpu())
                        .build();
        Exception e = Assert.expectThrows(Exception.class, criteria::loadModel);
        Throwable root = e;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        Assert.assertTrue(root.getMessage().startsWith(REASON), root.getMessage());
        Assert.assertTrue(root.getMessage().contains("optDevice(Device.cpu())"), "" + root);
    }

    @Test
    public void aModelIsOnTheCpuByDefault() throws Exception {
        try (ZooModel<String, String> model =
                Decoders.criteria(String.class, String.class, Fixtures.RETRIEVER)
                        .build()
                        .loadModel()) {
            Assert.assertEquals(model.getNDManager().getDevice(), Device.cpu());
        }
    }

    @Test
    public void aManagerOfAGpuIsRefused() throws Exception {
        try (NDManager gpu = NDManager.newBaseManager(Device.gpu(), "PyTorch")) {
            IllegalArgumentException e =
                    Assert.expectThrows(
                            IllegalArgumentException.class,
                            () -> CausalLm.load(Fixtures.RETRIEVER, new ModelOptions(), gpu));
            Assert.assertTrue(e.getMessage().startsWith(REASON), e.getMessage());
        }
    }

    @Test
    public void idsOnAGpuAreRefused() throws Exception {
        try (NDManager manager = NDManager.newBaseManager(Device.cpu(), "PyTorch")) {
            CausalLm model = CausalLm.load(Fixtures.RETRIEVER, new ModelOptions(), manager);
            NDArray ids = GpuClaim.of(manager.create(new long[] {1, 2}, new Shape(1, 2)));
            try (KvCache cache = model.newCache(manager, 1, 10)) {
                IllegalArgumentException e =
                        Assert.expectThrows(
                                IllegalArgumentException.class,
                                () -> model.prefill(ids, cache, new PrefillOptions()));
                Assert.assertEquals(
                        e.getMessage(),
                        "inputIds: expected an array on cpu(), found one on gpu(0)");
            }
        }
    }
}

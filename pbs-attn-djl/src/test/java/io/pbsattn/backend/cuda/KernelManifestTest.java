package io.pbsattn.backend.cuda;

import io.pbsattn.backend.BackendUnavailableException;
import org.testng.Assert;
import org.testng.annotations.DataProvider;
import org.testng.annotations.Test;

/** A manifest that does not fit this package is refused before anything is launched by it. */
public class KernelManifestTest {

    @Test
    public void fittingManifestIsRead() {
        KernelManifest manifest = Fixtures.manifest();
        Assert.assertEquals(
                manifest.kernel("pbs_attend_wgmma_bf16_d128"),
                new KernelManifest.Kernel(384, 200000, 90, 3));
        Assert.assertEquals(manifest.tma(96).swizzleCode(), 2);
        Assert.assertEquals(manifest.tma(256), new KernelManifest.Tma(64, 128, 64, 128));
        Assert.assertEquals(manifest.constants().keysPerSplit(), 1024);
        Assert.assertTrue(manifest.hasKernel("pbs_attend_wgmma_f16_d64", Fixtures.H100));
        Assert.assertFalse(manifest.hasKernel("pbs_attend_wgmma_f16_d64", Fixtures.A100));
        Assert.expectThrows(IllegalStateException.class, () -> manifest.kernel("pbs_abacus"));
        Assert.expectThrows(IllegalStateException.class, () -> manifest.tma(80));
    }

    @DataProvider
    public Object[][] broken() {
        String good = Fixtures.manifestJson();
        return new Object[][] {
            {"", "expected fields"},
            {"{}", "expected fields"},
            {"[", "pbs_cuda.json"},
            {good.replace("\"abi\":2", "\"abi\":1"), "expected kernels of interface version 2"},
            {good.replace("\"max_seqlen_k\":1048576", "\"max_seqlen\":1"), "max_seqlen_k"},
            {good.replace("\"head_shift\"", "\"novelty\":1,\"head_shift\""), "novelty"},
            {good.replace("\"constants\"", "\"constant\""), "expected the constants"}
        };
    }

    @Test(dataProvider = "broken")
    public void brokenManifestIsNamed(String json, String words) {
        BackendUnavailableException e =
                Assert.expectThrows(
                        BackendUnavailableException.class, () -> KernelManifest.parse(json));
        Assert.assertTrue(e.getMessage().contains(words), e.getMessage());
    }
}

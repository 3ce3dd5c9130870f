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
            {good.replace("\"abi\":1", "\"abi\":2"), "expected kernels of interface version 1"},
            {good.replace("\"call_size\":400", "\"call_size\":408"), "found 408"},
            {good.replace("\"q_row_stride\":24", "\"q_row_stride\":32"), "q_row_stride"},
            {good.replace("\"finite_mask\"", "\"finite_mas\""), "finite_mask at offset"}
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

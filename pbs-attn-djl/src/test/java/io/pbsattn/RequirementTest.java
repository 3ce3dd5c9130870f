package io.pbsattn;

import org.testng.Assert;
import org.testng.annotations.Test;

public class RequirementTest {

    /** Tests take the backends that there are; a missing one would go unnoticed. */
    @Test
    public void cpuBackendIsThereWhereItIsAskedFor() {
        if (Requirement.CPU.isDemanded()) {
            Backends.BackendStatus cpu =
                    Backends.list().stream()
                            .filter(backend -> backend.name().equals("cpu"))
                            .findFirst()
                            .orElseThrow();
            Assert.assertTrue(cpu.usable(), cpu.reason());
        }
    }
}

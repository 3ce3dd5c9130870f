package io.pbsattn.backend.cuda;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * Makes every call of {@link JCudaDriverBinding}, in a process of its own whose driver is
 * stub_driver.c, and prints what comes back; {@link JCudaDriverBindingTest} reads it.
 */
public final class StubDriverMain {

    private static final long STREAM = 0x7000000000d0L;

    private StubDriverMain() {}

    /** Runs. */
    public static void main(String[] args) throws Exception {
        CudaDriver driver = DriverLibrary.open();
        long[] handle = new long[1];
        int[] number = new int[1];
        driver.cuInit();
        driver.cuDriverGetVersion(number);
        say("version", number[0]);
        driver.cuDeviceGetCount(number);
        say("count", number[0]);
        for (Gpu gpu : Gpu.list(driver)) {
            say("gpu", gpu.ordinal() + " " + gpu.handle() + " " + gpu.name() + " " + gpu.major());
        }
        driver.cuDevicePrimaryCtxRetain(handle, 41);
        say("context", Long.toHexString(handle[0]));
        driver.cuCtxPushCurrent(handle[0]);
        long[] total = new long[1];
        driver.cuMemGetInfo(handle, total);
        say("memory", handle[0] + " of " + total[0]);
        ByteBuffer log = direct("a log of some size");
        say("bad image", driver.cuModuleLoadDataEx(handle, direct("bad image"), log));
        say("log", text(log));
        driver.cuModuleLoadDataEx(handle, direct("good image"), log);
        long module = handle[0];
        say("module", Long.toHexString(module));
        driver.cuModuleGetFunction(handle, module, "pbs_select");
        long function = handle[0];
        driver.cuFuncSetAttribute(function, 8, 98304);
        driver.cuMemPoolCreate(handle, 41);
        long pool = handle[0];
        driver.cuMemPoolSetAttribute(pool, Long.MAX_VALUE);
        say("full", driver.cuMemAllocFromPoolAsync(handle, 1L << 41, pool, STREAM));
        say("address", handle[0]);
        driver.cuMemAllocFromPoolAsync(handle, 5L << 30, pool, STREAM);
        long address = handle[0];
        say("address", Long.toHexString(address));
        driver.cuMemsetD8Async(address, (byte) 0xff, 32, STREAM);
        driver.cuMemcpyHtoDAsync(address, direct("lengths"), 8, 0);
        ByteBuffer target = direct("        ");
        driver.cuMemcpyDtoHAsync(target, address, 4, STREAM);
        say("copied", text(target));
        driver.cuEventCreate(handle);
        long event = handle[0];
        driver.cuEventRecord(event, STREAM);
        float[] time = new float[1];
        driver.cuEventElapsedTime(time, event, event + 1);
        say("time", time[0]);
        driver.cuEventDestroy(event);
        ByteBuffer map = TensorMap.buffer();
        driver.cuTensorMapEncodeTiled(
                map,
                new TensorMap(
                        ElementType.BF16,
                        0x7f0000000200L,
                        List.of(128L, 1L << 20, 8L, 2L),
                        List.of(256L, 1L << 28, 1L << 31),
                        64,
                        128,
                        3));
        byte[] bytes = new byte[TensorMap.BYTES];
        map.get(0, bytes);
        byte[] expected = new byte[TensorMap.BYTES];
        Arrays.fill(expected, (byte) 0x5a);
        say("map", Arrays.equals(bytes, expected));
        driver.cuLaunchKernel(
                function,
                new Launch(
                        "kernel",
                        new Launch.Grid(1 << 20, 2, 3),
                        384,
                        200000,
                        Launch.Stage.ATTEND,
                        true),
                STREAM,
                direct("first"),
                direct("second"));
        driver.cuStreamSynchronize(STREAM);
        driver.cuMemFreeAsync(address, STREAM);
        driver.cuMemPoolTrimTo(pool, 7);
        driver.cuMemPoolDestroy(pool);
        driver.cuModuleUnload(module);
        driver.cuCtxPopCurrent();
        driver.cuDevicePrimaryCtxRelease(41);
        say("names", driver.errorName(2) + " " + driver.errorName(700));
    }

    private static void say(String what, Object value) {
        System.out.println("= " + what + " " + value);
        System.out.flush();
    }

    /** Text that ends in a zero, in native memory. */
    private static ByteBuffer direct(String text) {
        byte[] bytes = (text + '\0').getBytes(StandardCharsets.US_ASCII);
        ByteBuffer buffer = ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.nativeOrder());
        return buffer.put(bytes).rewind();
    }

    private static String text(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.capacity()];
        buffer.get(0, bytes);
        return new String(bytes, StandardCharsets.US_ASCII).split("\0", 2)[0];
    }
}

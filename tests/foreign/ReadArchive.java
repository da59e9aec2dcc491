import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipInputStream;

/** Prints the name, length and CRC-32 of each entry: `file` by the central directory, `stream` by the local headers. */
class ReadArchive {
    static final byte[] BUFFER = new byte[1 << 20];
    static final PrintStream OUT = new PrintStream(
            new BufferedOutputStream(new FileOutputStream(FileDescriptor.out)), false, StandardCharsets.UTF_8);

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("file")) {
            try (ZipFile archive = new ZipFile(arguments[1])) {
                for (ZipEntry entry : Collections.list(archive.entries())) {
                    print(entry, archive.getInputStream(entry));
                }
            }
        } else {
            try (ZipInputStream archive = new ZipInputStream(new FileInputStream(arguments[1]))) {
                for (ZipEntry entry; (entry = archive.getNextEntry()) != null; ) {
                    print(entry, archive);
                }
            }
        }
        OUT.flush();
    }

    static void print(ZipEntry entry, InputStream content) throws Exception {
        CRC32 crc = new CRC32();
        long length = 0;
        for (int count; (count = content.read(BUFFER)) > 0; length += count) {
            crc.update(BUFFER, 0, count);
        }
        OUT.print(entry.getName() + "\t" + length + "\t" + crc.getValue() + "\n");
    }
}

// An image engine on Android: implementation("com.google.ai.edge.litert:litert:2.+"), image.tflite in assets. Not built here.
import java.nio.ByteBuffer
import org.tensorflow.lite.Interpreter

class GroupViT(file: ByteBuffer, threads: Int = 4) : AutoCloseable {
  private val interpreter = Interpreter(file, Interpreter.Options().setNumThreads(threads))

  /** Normalized pixels, [1][3][H][W]; gives group embeddings [1][G][P] and masks [1][G][H/p][W/p]. */
  fun run(pixels: Array<Array<Array<FloatArray>>>): Pair<Array<Array<FloatArray>>, Array<Array<Array<FloatArray>>>> {
    val (groups, width) = shape("group_embeds").let { it[1] to it[2] }
    val (rows, columns) = shape("masks").let { it[2] to it[3] }
    val embeds = Array(1) { Array(groups) { FloatArray(width) } }
    val masks = Array(1) { Array(groups) { Array(rows) { FloatArray(columns) } } }
    val outputs = mapOf<String, Any>("group_embeds" to embeds, "masks" to masks)
    interpreter.runSignature(mapOf<String, Any>("pixel_values" to pixels), outputs, "serving_default")
    return embeds to masks
  }

  private fun shape(output: String) = interpreter.getOutputTensorFromSignature(output, "serving_default").shape()

  override fun close() = interpreter.close()
}

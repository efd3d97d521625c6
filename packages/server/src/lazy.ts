/**
 * What is loaded with its first use, once for all who ask meanwhile and later. A load that fails is told to each of them,
 * and tried again by whoever asks next: with all file handles in use nothing can be read, and that passes.
 */
export function lazy<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined;
  return () => {
    loading ??= load().catch((thrown: unknown) => {
      loading = undefined;
      throw thrown;
    });
    return loading;
  };
}

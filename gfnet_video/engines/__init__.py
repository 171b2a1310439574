"""The four looks on torch, onnxruntime or openvino: pixels in, video-level logits and centres out, step by step."""

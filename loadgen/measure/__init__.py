"""What is measured: latencies without loss of precision, counts, and whether the generator itself was fit."""

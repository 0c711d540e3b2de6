"""The obvious build, which ours is compared with."""

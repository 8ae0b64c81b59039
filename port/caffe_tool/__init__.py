"""What the `caffe` command line tool does, and its flags."""

"""What several processes of one training or scoring share, as torchrun starts them."""

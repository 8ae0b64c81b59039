"""Install with: pip install -e .   (constraints.txt holds the versions that are tested)"""

from setuptools import find_packages, setup

setup(
    name='fcn-caffe',
    version='0.1.0',
    description='The original FCN nets: Caffe prototxt generated, run exactly on PyTorch, exported',
    python_requires='>=3.11',
    packages=find_packages(include=['netspec*', 'surgery*', 'port*']),
    package_data={'netspec.schema': ['caffe.proto', 'caffe.desc'], 'port.fast': ['*.c', '*.h']},
    install_requires=['numpy', 'protobuf>=5', 'pillow', 'scipy', 'torch', 'onnx', 'click', 'tqdm',
                      'matplotlib', 'h5py', 'onnxruntime', 'safetensors', 'networkx'],
    extras_require={
        'test': ['pytest', 'pytest-xdist', 'hypothesis', 'opencv-python-headless<5', 'ruff',
                 'lmdb', 'six'],
        'scripts': ['six'],  # old pycaffe scripts, and pycaffe's own tests, import it
        'lmdb': ['lmdb'],
        'schema': ['grpcio-tools'],
    },
    entry_points={'console_scripts': ['fcn = port.cli:main']},
)

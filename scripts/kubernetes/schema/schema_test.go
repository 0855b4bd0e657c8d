// Package schema checks the files for Kubernetes against the types of its API.
package schema

import (
	"os"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// read decodes a file, in which a key that the API does not know is an error.
func read(t *testing.T, file string, into any) {
	t.Helper()
	b, err := os.ReadFile("../" + file)
	if err == nil {
		err = yaml.UnmarshalStrict(b, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// mounted returns a volume of a pod's only container, and how it is mounted.
func mounted(t *testing.T, pod corev1.PodSpec, path string) (corev1.Volume, corev1.MountPropagationMode) {
	t.Helper()
	for _, m := range pod.Containers[0].VolumeMounts {
		i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		if i < 0 {
			t.Fatalf("there is no volume %s", m.Name)
		}
		if m.MountPath == path && m.MountPropagation != nil {
			return pod.Volumes[i], *m.MountPropagation
		}
	}
	t.Fatalf("nothing is mounted at %s with propagation", path)
	return corev1.Volume{}, ""
}

func TestDaemonSet(t *testing.T) {
	var d appsv1.DaemonSet
	read(t, "artifactfs.yaml", &d)
	pod := d.Spec.Template.Spec
	v, how := mounted(t, pod, "/mnt/shared")
	if d.APIVersion != "apps/v1" || d.Kind != "DaemonSet" || v.HostPath == nil || v.HostPath.Path != "/mnt/shared" || how != corev1.MountPropagationBidirectional {
		t.Errorf("%s %s shares %+v as %s", d.APIVersion, d.Kind, v, how)
	}
	if _, how := mounted(t, pod, "/lustre"); how != corev1.MountPropagationHostToContainer {
		t.Errorf("the data is mounted as %s", how)
	}
	if s := pod.Containers[0].SecurityContext; !pod.HostPID || s.Privileged == nil || !*s.Privileged {
		t.Errorf("host pids: %v, security: %+v", pod.HostPID, s)
	}
	for key, want := range d.Spec.Selector.MatchLabels {
		if got := d.Spec.Template.Labels[key]; got != want {
			t.Errorf("the pods have the label %s=%s, and the set looks for %s", key, got, want)
		}
	}
}

func TestJob(t *testing.T) {
	var j batchv1.Job
	read(t, "job.yaml", &j)
	pod := j.Spec.Template.Spec
	v, how := mounted(t, pod, "/mnt/shared")
	if j.APIVersion != "batch/v1" || j.Kind != "Job" || v.HostPath == nil || v.HostPath.Path != "/mnt/shared" || how != corev1.MountPropagationHostToContainer {
		t.Errorf("%s %s gets %+v as %s", j.APIVersion, j.Kind, v, how)
	}
	if e := pod.Containers[0].Env[0]; e.Name != "ARTIFACTFS_JOB" || e.ValueFrom == nil || e.ValueFrom.FieldRef == nil {
		t.Errorf("the pods' job is %+v", e)
	}
	if pod.RestartPolicy != corev1.RestartPolicyNever {
		t.Errorf("restart policy %s, which a job may not have or does not say", pod.RestartPolicy)
	}
}

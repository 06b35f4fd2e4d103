// Command recorder asks kube-scheduler itself where it would put pods.
//
// It runs the scheduler's own code, with one thread and without reuse of scores, on a fake API server,
// creates the pods one after the other and writes for each the node, or the text of the event.
//
//	python -m tests.domain.placement.scenarios > scenarios.json     (in the repository's root)
//	go run . scenarios.json > ../recorded_decisions.json
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/profile"
)

const (
	pause       = 30 * time.Millisecond // lets watchers keep up: their buffer holds 100 events
	patience    = 20 * time.Second
	afterFilter = " no new claims" // preemption's own sentences follow; the model has none
)

type scenario struct {
	Nodes   []v1.Node `json:"nodes"`
	Placed  []v1.Pod  `json:"placed"`
	Waiting []v1.Pod  `json:"waiting"`
	Pods    []v1.Pod  `json:"pods"`
	Scoring string    `json:"scoring"`
}

type answer struct{ pod, text string }

func main() {
	check(utilfeature.DefaultMutableFeatureGate.Set("OpportunisticBatching=false"))
	raw, err := os.ReadFile(os.Args[1])
	check(err)
	var scenarios []scenario
	check(json.Unmarshal(raw, &scenarios))
	recorded := [][]string{}
	for _, s := range scenarios {
		recorded = append(recorded, record(s))
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", " ")
	check(out.Encode(recorded))
}

// record plays one scenario on a cluster of its own.
func record(s scenario) []string {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client := fake.NewSimpleClientset()
	answers := make(chan answer, 16)
	answerOnBinding(client, answers)
	answerOnFailure(client, answers)
	sched := start(ctx, client, s.Scoring)
	for i := range s.Nodes {
		_, err := client.CoreV1().Nodes().Create(ctx, &s.Nodes[i], metav1.CreateOptions{})
		check(err)
		breathe(i)
	}
	create(ctx, client, s.Placed)
	nominate(ctx, client, s.Waiting)
	waitFor(func() bool {
		pods, err := sched.Cache.PodCount()
		check(err)
		return sched.Cache.NodeCount() == len(s.Nodes) && pods == len(s.Placed)
	})
	time.Sleep(10 * pause) // the gated pods' nominations are not counted by the cache
	go sched.Run(ctx)

	texts := []string{}
	for _, pod := range s.Pods {
		create(ctx, client, []v1.Pod{pod})
		select {
		case got := <-answers:
			if got.pod != pod.Name {
				log.Fatalf("%s answered while waiting for %s", got.pod, pod.Name)
			}
			texts = append(texts, got.text)
			if strings.HasPrefix(got.text, "0/") { // or it would be tried again
				check(client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{}))
				time.Sleep(pause)
			}
		case <-time.After(patience):
			log.Fatalf("no answer for %s", pod.Name)
		}
	}
	return texts
}

func start(ctx context.Context, client *fake.Clientset, scoring string) *scheduler.Scheduler {
	defaults, err := latest.Default()
	check(err)
	profiles := defaults.Profiles[0]
	for _, plugin := range profiles.PluginConfig {
		if fit, ok := plugin.Args.(*config.NodeResourcesFitArgs); ok {
			fit.ScoringStrategy.Type = config.ScoringStrategyType(scoring)
		}
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	recorder := profile.NewRecorderFactory(events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()}))
	sched, err := scheduler.New(ctx, client, factory, nil, recorder,
		scheduler.WithProfiles(profiles), scheduler.WithParallelism(1))
	check(err)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	check(sched.WaitForHandlersSync(ctx))
	return sched
}

// answerOnBinding does what the API server does with a binding: it writes the pod's nodeName.
func answerOnBinding(client *fake.Clientset, answers chan<- answer) {
	pods := v1.SchemeGroupVersion.WithResource("pods")
	client.PrependReactor("create", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		if action.GetSubresource() != "binding" {
			return false, nil, nil
		}
		binding := action.(clienttesting.CreateAction).GetObject().(*v1.Binding)
		go func() { // the fake API server is locked until this function returns
			found, err := client.Tracker().Get(pods, action.GetNamespace(), binding.Name)
			check(err)
			pod := found.(*v1.Pod).DeepCopy()
			pod.Spec.NodeName = binding.Target.Name
			check(client.Tracker().Update(pods, pod, action.GetNamespace()))
			answers <- answer{binding.Name, binding.Target.Name}
		}()
		return true, binding, nil
	})
}

// answerOnFailure reads the condition that the scheduler writes when no node fits, the first time.
func answerOnFailure(client *fake.Clientset, answers chan<- answer) {
	seen := map[string]bool{}
	client.PrependReactor("patch", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		patch := action.(clienttesting.PatchAction)
		var pod v1.Pod
		check(json.Unmarshal(patch.GetPatch(), &pod))
		for _, condition := range pod.Status.Conditions {
			failed := condition.Type == v1.PodScheduled && condition.Status == v1.ConditionFalse
			if failed && condition.Reason == v1.PodReasonUnschedulable && !seen[patch.GetName()] {
				seen[patch.GetName()] = true
				text, _, _ := strings.Cut(condition.Message, afterFilter)
				answers <- answer{patch.GetName(), text}
			}
		}
		return false, nil, nil
	})
}

func create(ctx context.Context, client *fake.Clientset, pods []v1.Pod) {
	for i := range pods {
		_, err := client.CoreV1().Pods(pods[i].Namespace).Create(ctx, &pods[i], metav1.CreateOptions{})
		check(err)
		breathe(i)
	}
}

// nominate creates gated pods and then nominates them: the scheduler does not count a gated pod that
// comes with a nomination (and a real API server drops the status of a new pod).
func nominate(ctx context.Context, client *fake.Clientset, pods []v1.Pod) {
	for i := range pods {
		bare := pods[i].DeepCopy()
		bare.Status = v1.PodStatus{}
		create(ctx, client, []v1.Pod{*bare})
		nominated := pods[i].DeepCopy()
		nominated.ResourceVersion = "2" // the scheduler drops an update without a new version
		_, err := client.CoreV1().Pods(bare.Namespace).UpdateStatus(ctx, nominated, metav1.UpdateOptions{})
		check(err)
		breathe(i)
	}
}

func breathe(i int) {
	if i%20 == 19 {
		time.Sleep(pause)
	}
}

func waitFor(done func() bool) {
	for end := time.Now().Add(patience); !done(); time.Sleep(pause) {
		if time.Now().After(end) {
			log.Fatal("the scheduler's cache never filled")
		}
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
